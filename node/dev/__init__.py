"""What `start --dev` adds to a node: the starter pack, and a chain seeded with its Datanets and adapters."""
