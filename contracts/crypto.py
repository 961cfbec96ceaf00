"""Keccak-256 and secp256k1 signatures over native libraries (safe-pysha3, coincurve)."""

import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NewType, Protocol

import coincurve
import sha3

Address = NewType("Address", str)
"""A 20-byte account address: 0x-prefixed hex with the EIP-55 checksum."""
Bytes32 = NewType("Bytes32", bytes)
"""Exactly 32 bytes."""

ZERO_ADDRESS = Address("0x" + "0" * 40)
ZERO_BYTES32 = Bytes32(bytes(32))

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class InvalidSignature(ValueError):
    """The bytes are not a canonical 65-byte secp256k1 signature, or no key can have made them."""


def keccak(data: bytes) -> Bytes32:
    """Keccak-256, with the padding that Ethereum uses (older than the SHA-3 standard)."""
    return Bytes32(sha3.keccak_256(data).digest())


def to_bytes32(value: bytes) -> Bytes32:
    """`value` as `Bytes32`; ValueError if it does not have 32 bytes."""
    if len(value) != 32:
        raise ValueError(f"expected 32 bytes, got {len(value)}")
    return Bytes32(bytes(value))


@lru_cache(maxsize=4096)
def to_address(text: str) -> Address:
    """The EIP-55 form of a hex address; ValueError for other text, and for mixed case with a wrong checksum."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"not an address: {text!r} (expected 0x and 40 hex digits)")
    plain = text[2:].lower()
    digest = keccak(plain.encode()).hex()
    checksummed = "0x" + "".join(
        char.upper() if int(nibble, 16) >= 8 else char for char, nibble in zip(plain, digest, strict=False)
    )
    mixed = text[2:] != plain and text[2:] != plain.upper()
    if mixed and text != checksummed:
        raise ValueError(f"address {text} has a wrong checksum; expected {checksummed}")
    return Address(checksummed)


def address_bytes(address: Address) -> bytes:
    """The 20 raw bytes of an address."""
    return bytes.fromhex(address[2:])


def recover(digest: bytes, signature: bytes) -> Address:
    """The address that signed `digest`, as `ecrecover` computes it from a 65-byte r ‖ s ‖ v signature (v = 27 or 28).

    InvalidSignature for another length or v, for a high s (EIP-2; OpenZeppelin's ECDSA refuses it too) and for a point
    that is not on the curve.
    """
    if len(signature) != 65:
        raise InvalidSignature(f"a signature has 65 bytes, got {len(signature)}")
    if signature[64] not in (27, 28):
        raise InvalidSignature(f"the last byte of a signature is 27 or 28, got {signature[64]}")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise InvalidSignature("the s value of the signature is in the upper half of the curve order (EIP-2)")
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception for r or s out of range
        raise InvalidSignature("no key can have made this signature") from error
    return _address_of(key)


def _address_of(key: coincurve.PublicKey) -> Address:
    return to_address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())


class Signer(Protocol):
    """Signs 32-byte digests for one address. `PrivateKey` is a signer; so is any wallet behind this interface."""

    @property
    def address(self) -> Address:
        """The address that signatures recover to."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """r ‖ s ‖ v over a 32-byte digest, with a low s and v = 27 or 28."""
        ...


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A secp256k1 key that signs digests. `repr` never shows the secret."""

    secret: bytes = field(repr=False)
    address: Address = field(init=False)

    def __post_init__(self) -> None:
        public = coincurve.PrivateKey(self.secret).public_key
        object.__setattr__(self, "address", _address_of(public))

    @classmethod
    def generate(cls) -> "PrivateKey":
        """A new key from the operating system's randomness."""
        return cls(coincurve.PrivateKey(secrets.token_bytes(32)).secret)

    def sign(self, digest: bytes) -> bytes:
        """r ‖ s ‖ v over a 32-byte digest, deterministic (RFC 6979), low s, v = 27 or 28."""
        compact = coincurve.PrivateKey(self.secret).sign_recoverable(to_bytes32(digest), hasher=None)
        return compact[:64] + bytes([compact[64] + 27])
