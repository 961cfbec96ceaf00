"""The command line. Modules load late: `--help` must not wait for torch, and a client verb must not need it."""
