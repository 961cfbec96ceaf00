"""Measurements that anyone can repeat. Each writes benchmarks/results/<name>.json with machine and commit."""
