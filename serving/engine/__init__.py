"""The engine thread: it schedules sequences, runs steps, and owns the model, the slots and the pages.

Only that thread uses this package, with two exceptions: any thread may put commands into `mailbox`, and any thread may
read the snapshots that `Engine` publishes. The engine does no file or network I/O and never waits for the event loop.
"""
