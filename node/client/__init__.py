"""Paying a node: a wallet that signs ahead, a channel that remembers, receipts that are checked. Needs no torch."""
