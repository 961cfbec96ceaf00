"""Watching nodes: their files are fetched, replayed and compared with the chain, and their faults are answered."""
