"""The Merkle tree over a list: depth ⌈log2 count⌉, missing leaves are the zero word, inner nodes are H(0x03, l, r).

The caller hashes leaves under other tags, so that no leaf is also an inner node.
"""

from collections.abc import Sequence

from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.encoding import tagged_hash

INNER_TAG = 0x03


def depth_of(count: int) -> int:
    """⌈log2 count⌉: the number of siblings of a path. ValueError for an empty list, which has no tree."""
    if count < 1:
        raise ValueError("a tree needs at least one leaf")
    return (count - 1).bit_length()


def root_of(leaves: Sequence[Bytes32]) -> Bytes32:
    """The root over `leaves`; the root of a single leaf is the leaf."""
    return _levels(leaves)[-1][0]


def path_of(leaves: Sequence[Bytes32], index: int) -> tuple[Bytes32, ...]:
    """The siblings of leaf `index`, bottom-up. IndexError for no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    path = []
    for level in _levels(leaves)[:-1]:
        path.append(level[index ^ 1])
        index >>= 1
    return tuple(path)


def verify_path(root: Bytes32, count: int, index: int, leaf: Bytes32, path: Sequence[Bytes32]) -> bool:
    """Whether `leaf` is number `index` of the `count` leaves under `root`."""
    if not 0 <= index < count or len(path) != depth_of(count):
        return False
    for sibling in path:
        leaf = tagged_hash(INNER_TAG, sibling, leaf) if index & 1 else tagged_hash(INNER_TAG, leaf, sibling)
        index >>= 1
    return leaf == root


def _levels(leaves: Sequence[Bytes32]) -> list[list[Bytes32]]:
    """All levels, bottom-up. Each but the root is padded to an even length with the root over missing leaves."""
    level, padding, levels = list(leaves), ZERO_BYTES32, []
    for _ in range(depth_of(len(leaves))):
        if len(level) % 2:
            level.append(padding)
        levels.append(level)
        level = [tagged_hash(INNER_TAG, level[at], level[at + 1]) for at in range(0, len(level), 2)]
        padding = tagged_hash(INNER_TAG, padding, padding)
    return [*levels, level]
