"""`openlora-switchbench v1`: what it costs to serve many adapters, next to transformers and PEFT on the same machine.

A base and adapters with random weights are written to a temporary folder and served in this process. Every scenario
compares arms that take turns, so a figure is a ratio within one run.
"""
