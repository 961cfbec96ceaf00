"""Hashes of the protocol that are not EIP-712 structs."""

import json
from collections.abc import Sequence

from contracts.crypto import Bytes32, keccak, to_bytes32


def tagged_hash(tag: int, *words: bytes) -> Bytes32:
    """H(tag, words…) = keccak256(abi.encodePacked(uint8 tag, 32-byte words))."""
    return keccak(bytes([tag]) + b"".join(to_bytes32(word) for word in words))


def uint_word(value: int) -> bytes:
    """An unsigned integer as one big-endian 32-byte word."""
    return value.to_bytes(32)


def adapter_key(adapter_id: Bytes32, version: int, adapter_digest: bytes, base_digest: bytes) -> Bytes32:
    """keccak256(abi.encode(id, version, adapterDigest, baseDigest)): one adapter version on one base model."""
    return keccak(adapter_id + uint_word(version) + to_bytes32(adapter_digest) + to_bytes32(base_digest))


def request_hash(method: str, path_with_query: str, body: bytes) -> Bytes32:
    """keccak256(abi.encode(string method, string pathWithQuery, bytes body)) over the raw body bytes."""
    parts = [method.encode(), path_with_query.encode(), body]
    heads, tails, offset = b"", b"", 32 * len(parts)
    for part in parts:
        padded = part + bytes(-len(part) % 32)
        heads += uint_word(offset)
        tails += uint_word(len(part)) + padded
        offset += 32 + len(padded)
    return keccak(heads + tails)


def datanet_payee(datanet_id: Bytes32, version: int) -> Bytes32:
    """The payee id of a Datanet version: keccak256(abi.encode(datanetId, version))."""
    return keccak(datanet_id + uint_word(version))


def commitment(salt: Bytes32, content: bytes) -> Bytes32:
    """keccak256(salt ‖ content): hides short contents, opens to whoever holds the salt."""
    return keccak(salt + content)


def outputs(texts: Sequence[str]) -> bytes:
    """What an outputCommit commits to: the one text as UTF-8, several as a JSON list without spaces.

    A list, because texts that merely follow one another could be cut elsewhere.
    """
    if len(texts) == 1:
        return texts[0].encode()
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":")).encode()
