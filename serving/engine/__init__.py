"""The engine thread: schedules sequences, runs steps and owns the model, the slots and the pages.

Everything here is used by that one thread, except `mailbox` (any thread sends commands through it) and the snapshots
that `Engine` publishes. It does no file or network I/O and never waits for the event loop.
"""
