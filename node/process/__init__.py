"""One node as a process: from settings to listening sockets, logs, requests in flight, and the way down."""
