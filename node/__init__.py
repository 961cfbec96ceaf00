"""The node: composes serving, attribution and a chain into one process."""
