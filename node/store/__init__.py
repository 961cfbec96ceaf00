"""The node's database: one writer with group commit. Rows stay inside this package; frozen dataclasses leave it."""
