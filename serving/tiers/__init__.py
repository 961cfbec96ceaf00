"""Which adapters are in which memory tier (device, host), and which of them to evict first.

`slots`, `worth` and `popularity` belong to the engine thread. `host_tier` belongs to the loader's threads and takes a
lock. No module here reads files or copies to a device: callers pass in functions that do.
"""
