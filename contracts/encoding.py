"""Encodings and hashes of the protocol that are not EIP-712 structs."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from contracts.crypto import ZERO_BYTES32, Bytes32, keccak, to_bytes32

BASE_KEY = ZERO_BYTES32
"""The `adapterKey` of the base model alone."""


def to_hex(value: bytes) -> str:
    """0x and lower-case hex digits, as JSON carries bytes."""
    return "0x" + value.hex()


def from_hex(text: str) -> bytes:
    """The bytes of 0x-prefixed hex of any case; ValueError otherwise."""
    if not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", text):
        raise ValueError(f"expected 0x and pairs of hex digits, got {text[:80]!r}")
    return bytes.fromhex(text[2:])


def rfc3339(seconds: int) -> str:
    """Unix seconds as an RFC 3339 time in UTC, as JSON carries times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def tagged_hash(tag: int, *words: bytes) -> Bytes32:
    """H(tag, words…) = keccak256(abi.encodePacked(uint8 tag, 32-byte words))."""
    return keccak(bytes([tag]) + b"".join(to_bytes32(word) for word in words))


def uint_word(value: int) -> bytes:
    """An unsigned integer as one big-endian 32-byte word."""
    return value.to_bytes(32)


def abi_encode(*values: int | bytes) -> bytes:
    """abi.encode(values…): an int is a `uint256`, bytes are a dynamic `bytes` or `string`.

    Source: Solidity, contract ABI specification, "formal specification of the encoding".
    """
    heads, tails, offset = b"", b"", 32 * len(values)
    for value in values:
        if isinstance(value, int):
            heads += uint_word(value)
            continue
        padded = value + bytes(-len(value) % 32)
        heads += uint_word(offset)
        tails += uint_word(len(value)) + padded
        offset += 32 + len(padded)
    return heads + tails


def adapter_key(adapter_id: Bytes32, version: int, adapter_digest: bytes, base_digest: bytes) -> Bytes32:
    """keccak256(abi.encode(id, version, adapterDigest, baseDigest)): an adapter version on a base model."""
    return keccak(adapter_id + uint_word(version) + to_bytes32(adapter_digest) + to_bytes32(base_digest))


def unregistered_key(adapter_digest: bytes, base_digest: bytes) -> Bytes32:
    """The adapter key of an adapter that nobody has registered: its id and version are 0."""
    return adapter_key(ZERO_BYTES32, 0, adapter_digest, base_digest)


def request_hash(method: str, path_with_query: str, body: bytes) -> Bytes32:
    """keccak256(abi.encode(string method, string pathWithQuery, bytes body)) over the raw body bytes."""
    return keccak(abi_encode(method.encode(), path_with_query.encode(), body))


def header_commitment(header_hash: Bytes32, state_root: Bytes32) -> Bytes32:
    """keccak256(abi.encode(headerHash, stateRoot)): the word that Settlement keeps of a posted header."""
    return keccak(header_hash + state_root)


def adapter_commitment(adapter_id: Bytes32, adapter_digest: bytes, base_digest: bytes, salt: Bytes32) -> Bytes32:
    """keccak256(abi.encode(id, adapterDigest, baseDigest, salt)): announces an adapter version without naming it."""
    return keccak(adapter_id + to_bytes32(adapter_digest) + to_bytes32(base_digest) + salt)


@lru_cache(maxsize=1 << 14)
def datanet_payee(datanet_id: Bytes32, version: int) -> Bytes32:
    """The payee id of a Datanet version: keccak256(abi.encode(datanetId, version))."""
    return keccak(datanet_id + uint_word(version))


def commitment(salt: Bytes32, content: bytes) -> Bytes32:
    """keccak256(salt ‖ content): the salt hides short contents, and opens the commitment for its holder."""
    return keccak(salt + content)


def outputs(texts: Sequence[str]) -> bytes:
    """The bytes that an outputCommit covers: a single text as UTF-8, several as a JSON list without spaces.

    The list marks where each text ends; plain concatenation would not.
    """
    if len(texts) == 1:
        return texts[0].encode()
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":")).encode()
