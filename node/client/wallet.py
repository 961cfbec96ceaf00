"""Who signs: anything with an address and a key behind it."""

from typing import Protocol

from contracts.crypto import Address


class Signer(Protocol):
    """Signs 32-byte digests as r ‖ s ‖ v with v = 27 or 28; `contracts.crypto.PrivateKey` is one."""

    @property
    def address(self) -> Address: ...

    def sign(self, digest: bytes) -> bytes: ...
