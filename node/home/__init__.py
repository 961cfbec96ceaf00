"""The node's folder on disk: its lock, the file of the running node, keystores, and where the contracts are."""
