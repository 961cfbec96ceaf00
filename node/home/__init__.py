"""A node's folder: its lock, what is known of the running node, and keystores."""
