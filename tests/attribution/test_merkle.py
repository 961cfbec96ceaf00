"""The tree over a list: a perfect tree whose missing leaves are zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution import merkle
from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.encoding import tagged_hash
from tests.attribution.ledgers import word

LEAVES = st.integers(1, 40).map(lambda count: [word(f"leaf {i}") for i in range(count)])


def perfect_root(leaves: list[Bytes32]) -> Bytes32:
    """The definition: pad with zero words to a power of two, then hash pairs."""
    level = leaves + [ZERO_BYTES32] * ((1 << (len(leaves) - 1).bit_length()) - len(leaves))
    while len(level) > 1:
        level = [tagged_hash(0x03, *level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


@given(LEAVES)
def test_the_root_is_that_of_the_list_padded_with_zero_words(leaves: list[Bytes32]) -> None:
    assert merkle.root_of(leaves) == perfect_root(leaves)


@given(LEAVES, st.data())
def test_a_leaf_is_proven_at_its_index_only(leaves: list[Bytes32], data: st.DataObject) -> None:
    index, other = (data.draw(st.integers(0, len(leaves) - 1)) for _ in range(2))
    root, path = merkle.root_of(leaves), merkle.path_of(leaves, index)

    assert merkle.verify_path(root, len(leaves), index, leaves[index], path)
    assert merkle.verify_path(root, len(leaves), other, leaves[index], path) == (other == index)
    assert not merkle.verify_path(root, len(leaves), index, word("forged"), path)
    assert not merkle.verify_path(root, len(leaves), index, leaves[index], (*path, ZERO_BYTES32))
    assert not merkle.verify_path(root, len(leaves), index + 64, leaves[index], path)


def test_a_single_leaf_is_its_own_root() -> None:
    assert merkle.root_of([word("only")]) == word("only")
    assert merkle.path_of([word("only")], 0) == ()


def test_an_empty_list_and_a_missing_index_have_no_tree() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle.root_of([])
    with pytest.raises(IndexError, match="leaf 2 of 2"):
        merkle.path_of([word("a"), word("b")], 2)
