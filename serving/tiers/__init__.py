"""Which adapters' bytes are on which tier: device slots, host memory, and what is worth keeping there.

`slots`, `worth` and `popularity` belong to the engine thread. `host_tier` belongs to the loader's threads and takes a
lock. No module here copies bytes to a device or reads a file; callers pass in what does.
"""
