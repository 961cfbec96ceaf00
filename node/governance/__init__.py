"""The parameters that OPEN holders vote about, proposals to change them, and what a change would mean."""
