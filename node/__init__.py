"""The node: the thin shell that composes serving, attribution and a chain into one process."""
