"""The HTTP surface. A route reads: parse, admit, run, record."""
