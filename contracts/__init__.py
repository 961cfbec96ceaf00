"""What the contracts, the node and its clients share: signed structs, hashes, the payment wire, compiled contracts."""

import os

# eth_hash reads this on first use. Its default, pycryptodome, is 2.5 to 6 times slower than pysha3.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
