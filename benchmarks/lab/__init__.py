"""`openlora-switchbench v1`: what serving many adapters costs, next to the peers of the same machine.

A random base and random adapters are made in a temporary folder, served in this process, and asked. Every scenario
compares arms that take turns, so that a figure is a ratio within one run.
"""
