"""The command line. Heavy modules are imported inside the verbs: `--help` must not wait for torch, and the verbs of
clients must work without it.
"""
