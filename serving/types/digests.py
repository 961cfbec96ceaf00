"""Names of immutable content."""

from typing import NewType

AdapterDigest = NewType("AdapterDigest", str)
"""sha256 over an adapter version's sorted (file name, sha256) pairs: 64 hex digits."""
BaseDigest = NewType("BaseDigest", str)
"""sha256 over a base model's sorted (file name, sha256) pairs of weights, config and tokenizer: 64 hex digits."""
