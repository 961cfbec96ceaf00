"""What both sides of the chain border agree on: signed structs, hashes, compiled contracts."""

import os

# eth_hash picks pycryptodome when both are installed, which is 2.5-6 times slower; it reads this on first use.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
