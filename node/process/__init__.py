"""The node as a process: start and stop, listening sockets, and logs."""
