"""Witnesses of a state tree: what a ledger holds at a key, and what its root becomes when that value grows.

A witness is a claim's inclusion proof with what stands at the end of the key's path in front of it:

    0x00 ‖ uint128 value ‖ proof                             the leaf of the key
    0x01 ‖ proof                                             an empty subtree: the key is absent
    0x02 ‖ bytes32 otherKey ‖ uint128 otherValue ‖ proof     the leaf of another key: the key is absent

`proof` is encoded as `StateTree.prove` does. contracts/src/libraries/StateWitness.sol reads the same bytes.
"""

from dataclasses import dataclass

from attribution.state_tree import KEY_BITS, MalformedProof, StateTree, inner_hash, leaf_hash, root_above
from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.encoding import uint_word

_PRESENT, _EMPTY, _BESIDE = 0, 1, 2
_HEAD_BYTES = {_PRESENT: 17, _EMPTY: 1, _BESIDE: 49}


class MalformedWitness(ValueError):
    """The bytes do not encode a witness for the key."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a witness proves of a key: its value (0 if it is absent), and the tree's root before and after it grew."""

    value: int
    root_before: Bytes32
    root_after: Bytes32


def witness_of(tree: StateTree, key: int) -> bytes:
    """The witness of what `tree` holds at `key`, or of its absence."""
    leaf, proof = tree.descend(key)
    if leaf is None:
        return bytes([_EMPTY]) + proof
    found, value = leaf
    if found == key:
        return bytes([_PRESENT]) + value.to_bytes(16) + proof
    return bytes([_BESIDE]) + uint_word(found) + value.to_bytes(16) + proof


def read(key: int, witness: bytes) -> tuple[int, Bytes32]:
    """The value at `key` (0 if it is absent) in the only tree that `witness` fits, and that tree's root.

    MalformedWitness or MalformedProof if it fits no tree.
    """
    _, value, proof, end = _open(key, witness)
    return value, root_above(key, end, proof)


def grow(key: int, delta: int, witness: bytes) -> Growth:
    """The value at `key` and the roots before and after `delta` > 0 is added to it.

    MalformedWitness or MalformedProof if the witness fits no tree.
    """
    other, value, proof, end = _open(key, witness)
    grown: bytes = leaf_hash(key, value + delta)
    if other is not None:
        grown = _fork(key, grown, other, end, int.from_bytes(proof[:2]))
    return Growth(value, root_above(key, end, proof), root_above(key, grown, proof))


def _open(key: int, witness: bytes) -> tuple[int | None, int, bytes, Bytes32]:
    """The other key at the end of the path (None without), the value of `key`, the proof, and the node at the end."""
    head = _HEAD_BYTES.get(witness[0]) if witness else None
    if head is None or len(witness) < head + 34:
        raise MalformedWitness(f"no witness starts with {witness[:1].hex() or 'nothing'} and has {len(witness)} bytes")
    proof = witness[head:]
    if witness[0] == _EMPTY:
        return None, 0, proof, ZERO_BYTES32
    value = int.from_bytes(witness[head - 16 : head])
    if value == 0:
        raise MalformedWitness("a tree holds no leaf of value 0")
    if witness[0] == _PRESENT:
        return None, value, proof, leaf_hash(key, value)
    other, depth = int.from_bytes(witness[1:33]), int.from_bytes(proof[:2])
    if depth >= KEY_BITS:
        raise MalformedProof(f"depth {depth} is not below {KEY_BITS}")
    if other == key or (other ^ key) >> (KEY_BITS - depth):
        raise MalformedWitness(f"the leaf of {other:#066x} cannot end the path of {key:#066x} at depth {depth}")
    return other, 0, proof, leaf_hash(other, value)


def _fork(key: int, node: bytes, other: int, other_node: bytes, depth: int) -> bytes:
    """The subtree at `depth` that holds the leaves of two keys, whose first `depth` bits agree."""
    level = KEY_BITS - (key ^ other).bit_length()
    node = inner_hash(other_node, node) if _goes_right(key, level) else inner_hash(node, other_node)
    for above in reversed(range(depth, level)):
        node = inner_hash(ZERO_BYTES32, node) if _goes_right(key, above) else inner_hash(node, ZERO_BYTES32)
    return node


def _goes_right(key: int, level: int) -> bool:
    return bool(key >> (KEY_BITS - 1 - level) & 1)
