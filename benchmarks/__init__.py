"""Measurements that anyone can repeat, and the `bench` command.

`lab/` measures serving in this process; `paid_request` and `clinic` measure whole nodes; `run` runs what the README
quotes. Committed results are in results/, each with its machine and commit. Only a source tree has that folder: the
installed package measures without it.
"""
