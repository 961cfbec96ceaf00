"""The state of a node's ledger as a compact sparse Merkle tree over 256-bit keys.

A subtree with one leaf is that leaf, an empty subtree is the zero word, and no leaf has the value 0. The root therefore
depends on the key → value map alone, not on the order of updates. Trees are immutable and share structure, so a stored
tree per batch costs only what changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from attribution.split import Payee, PayeeKind
from contracts.crypto import ZERO_BYTES32, Bytes32, keccak
from contracts.encoding import tagged_hash, uint_word

KEY_BITS = 256
MAX_DEPTH = 255
_CHARGED = 1 << 255
_WORD_LIMIT = 1 << 256


@dataclass(frozen=True, slots=True)
class _Leaf:
    hash: bytes
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class _Inner:
    hash: bytes
    left: "_Leaf | _Inner | None"
    right: "_Leaf | _Inner | None"


_Node = _Leaf | _Inner | None


@lru_cache(maxsize=1 << 16)  # a node pays the same payees again and again
def earned_key(payee: Payee) -> int:
    """The key of EARNED[payee]: bit 255 is 0, the rest are the upper 255 bits of keccak(abi.encode(payeeKind, id))."""
    return int.from_bytes(keccak(uint_word(payee.kind) + payee.id)) >> 1


def charged_key(channel_id: Bytes32) -> int:
    """The key of CHARGED[channel]: bit 255 is 1, the rest are as for an ADDRESS payee whose id is the channel id."""
    return _CHARGED | earned_key(Payee(PayeeKind.ADDRESS, channel_id))


def state_root(tree_root: Bytes32, cum_total: int) -> Bytes32:
    """The state root of receipts and headers: H(0x04, treeRoot, cumTotal)."""
    return tagged_hash(0x04, tree_root, uint_word(cum_total))


class MalformedProof(ValueError):
    """The bytes do not encode an inclusion proof."""


@dataclass(frozen=True, slots=True)
class StateTree:
    """An immutable key → value map with a Merkle root. Values are positive integers of at most 256 bits."""

    _root: _Node = field(default=None, repr=False)

    @classmethod
    def of(cls, values: Mapping[int, int]) -> "StateTree":
        """The tree with exactly these values."""
        return cls().update(values)

    @property
    def root(self) -> Bytes32:
        """The Merkle root; the zero word for an empty tree."""
        return _hash_of(self._root)

    def get(self, key: int) -> int:
        """The value at `key`; 0 if there is no leaf."""
        node, level = self._root, 0
        while type(node) is _Inner:
            node = node.right if _bit(key, level) else node.left
            level += 1
        return node.value if type(node) is _Leaf and node.key == key else 0

    def items(self) -> Iterator[tuple[int, int]]:
        """Every (key, value), by ascending key."""
        stack = [self._root]
        while stack:
            node = stack.pop()
            if type(node) is _Inner:
                stack += [node.right, node.left]
            elif type(node) is _Leaf:
                yield node.key, node.value

    def update(self, changes: Mapping[int, int]) -> "StateTree":
        """The tree with `changes` replacing or adding values. ValueError for a value that is 0 or exceeds 256 bits."""
        leaves = [_leaf(key, changes[key]) for key in sorted(changes)]
        return StateTree(_merge(self._root, leaves, 0))

    def prove(self, key: int) -> bytes:
        """The inclusion proof of `key`: uint16 depth ‖ 32-byte bitmap ‖ non-zero siblings bottom-up.

        Bit k of the bitmap (least significant first) is set iff the sibling at level k is not the zero word; the root's
        children are level 0. KeyError if there is no leaf.
        """
        leaf, siblings = self.descend(key)
        if leaf is None or leaf[0] != key:
            raise KeyError(f"no leaf at {key:#066x}")
        return siblings

    def descend(self, key: int) -> tuple[tuple[int, int] | None, bytes]:
        """What the path of `key` ends at, and the siblings on the way, encoded as in `prove`.

        The path ends at a leaf, given as (its key, its value), or at an empty subtree (None).
        """
        node, bitmap, siblings, depth = self._root, 0, list[bytes](), 0
        while type(node) is _Inner:
            node, sibling = (node.right, node.left) if _bit(key, depth) else (node.left, node.right)
            if sibling is not None:
                bitmap |= 1 << depth
                siblings.append(sibling.hash)
            depth += 1
        end = (node.key, node.value) if type(node) is _Leaf else None
        return end, depth.to_bytes(2) + uint_word(bitmap) + b"".join(reversed(siblings))


def verify_inclusion(root: Bytes32, key: int, value: int, proof: bytes) -> bool:
    """Whether `proof` proves `value` at `key` in the tree with this root. MalformedProof if it is no proof at all."""
    return implied_root(key, value, proof) == root


def implied_root(key: int, value: int, proof: bytes) -> Bytes32:
    """The only tree root under which `proof` proves `value` at `key`. MalformedProof if it is no proof at all."""
    return root_above(key, leaf_hash(key, value), proof)


def root_above(key: int, node: bytes, proof: bytes) -> Bytes32:
    """The root of the tree in which the path of `key` passes the siblings of `proof` and ends at the subtree `node`.

    MalformedProof if it is no proof at all.
    """
    depth, bitmap, siblings = _parse_proof(proof)
    position = 0
    for level in reversed(range(depth)):
        sibling = ZERO_BYTES32
        if bitmap >> level & 1:
            sibling = Bytes32(siblings[position : position + 32])
            position += 32
        node = inner_hash(sibling, node) if _bit(key, level) else inner_hash(node, sibling)
    return Bytes32(node)


def leaf_hash(key: int, value: int) -> Bytes32:
    """The hash of a leaf: H(0x00, key, value). ValueError for a value of 0, which no tree holds."""
    return Bytes32(_leaf(key, value).hash)


def inner_hash(left: bytes, right: bytes) -> Bytes32:
    """The hash of an inner node: H(0x01, left, right)."""
    return keccak(b"\x01" + left + right)


def _parse_proof(proof: bytes) -> tuple[int, int, bytes]:
    if len(proof) < 34:
        raise MalformedProof(f"an inclusion proof has at least 34 bytes, got {len(proof)}")
    depth, bitmap, siblings = int.from_bytes(proof[:2]), int.from_bytes(proof[2:34]), proof[34:]
    if depth > MAX_DEPTH:
        raise MalformedProof(f"depth {depth} is above {MAX_DEPTH}")
    if bitmap >> depth:
        raise MalformedProof(f"the bitmap names siblings below depth {depth}")
    if len(siblings) != 32 * bitmap.bit_count():
        raise MalformedProof(f"{bitmap.bit_count()} siblings announced, {len(siblings)} bytes given")
    if any(siblings[start : start + 32] == ZERO_BYTES32 for start in range(0, len(siblings), 32)):
        raise MalformedProof("a sibling that is announced as non-zero is zero")
    return depth, bitmap, siblings


def _bit(key: int, level: int) -> int:
    return key >> (KEY_BITS - 1 - level) & 1


def _leaf(key: int, value: int) -> _Leaf:
    if not 0 <= key < _WORD_LIMIT:
        raise ValueError(f"key {key} does not fit 256 bits")
    if not 0 < value < _WORD_LIMIT:
        raise ValueError(f"a leaf holds a positive 256-bit value, got {value}")
    return _Leaf(keccak(b"\x00" + key.to_bytes(32) + value.to_bytes(32)), key, value)


def _hash_of(node: _Node) -> Bytes32:
    return ZERO_BYTES32 if node is None else Bytes32(node.hash)


def _merge(node: _Node, leaves: list[_Leaf], level: int) -> _Node:
    """The subtree at `level` after replacing or adding `leaves`, which are sorted by key and belong to this subtree."""
    if not leaves:
        return node
    if len(leaves) == 1:
        return _put(node, leaves[0], level)
    if type(node) is _Leaf:
        if all(leaf.key != node.key for leaf in leaves):
            leaves = sorted([*leaves, node], key=lambda leaf: leaf.key)
        node = None
    assert level < KEY_BITS, "two leaves share one key"
    bit = 1 << KEY_BITS - 1 - level
    split = next((at for at, leaf in enumerate(leaves) if leaf.key & bit), len(leaves))
    old_left, old_right = (node.left, node.right) if type(node) is _Inner else (None, None)
    left = _merge(old_left, leaves[:split], level + 1)
    right = _merge(old_right, leaves[split:], level + 1)
    return _inner(left, right)


def _put(node: _Node, leaf: _Leaf, level: int) -> _Leaf | _Inner:
    """The subtree at `level` after replacing or adding one leaf. A loop: it is most of the work of a receipt."""
    siblings: list[_Node] = []
    bit = 1 << KEY_BITS - level >> 1  # 0 below the last level
    while type(node) is _Inner:
        node, sibling = (node.right, node.left) if leaf.key & bit else (node.left, node.right)
        siblings.append(sibling)
        bit >>= 1
    if type(node) is _Leaf and node.key != leaf.key:
        while not (node.key ^ leaf.key) & bit:  # the levels that both keys share have an empty sibling
            siblings.append(None)
            bit >>= 1
        siblings.append(node)
        bit >>= 1
    made: _Leaf | _Inner = leaf
    bit = bit << 1 if bit else 1
    while siblings:
        sibling = siblings.pop()
        made = _inner(sibling, made) if leaf.key & bit else _inner(made, sibling)
        bit <<= 1
    return made


def _inner(left: _Node, right: _Node) -> _Inner:
    left_hash = ZERO_BYTES32 if left is None else left.hash
    right_hash = ZERO_BYTES32 if right is None else right.hash
    return _Inner(keccak(b"\x01" + left_hash + right_hash), left, right)
