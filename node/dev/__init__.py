"""For `start --dev`: the starter pack, and the registration of its Datanets and adapters on a local chain."""
