"""The state tree: its root is a function of the map, its proofs cannot be forged."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.split import TREASURY, Payee
from attribution.state_tree import (
    MalformedProof,
    StateTree,
    charged_key,
    earned_key,
    implied_root,
    state_root,
    verify_inclusion,
)
from contracts.crypto import ZERO_BYTES32, Bytes32, keccak
from contracts.encoding import tagged_hash, uint_word
from tests.attribution.ledgers import OPERATOR, word

# keys that share long prefixes with one another: the last bit is kept equal so that no leaf lies below level 255
KEYS = st.one_of(
    st.integers(0, 2**256 - 1).map(lambda key: key & ~1),
    st.builds(lambda shift, low: (0b1011 << 252) | (low << shift), st.integers(1, 240), st.integers(0, 15)),
)
MAPS = st.dictionaries(KEYS, st.integers(1, 2**128 - 1), max_size=30)


def reference_root(values: dict[int, int], level: int = 0) -> bytes:
    """The definition itself: empty is zero, one leaf is itself, otherwise the hash of both halves."""
    if not values:
        return ZERO_BYTES32
    if len(values) == 1:
        ((key, value),) = values.items()
        return tagged_hash(0x00, uint_word(key), uint_word(value))
    right = {key: value for key, value in values.items() if key >> (255 - level) & 1}
    left = {key: value for key, value in values.items() if key not in right}
    return tagged_hash(0x01, reference_root(left, level + 1), reference_root(right, level + 1))


@given(MAPS)
def test_the_root_is_the_definition_s(values: dict[int, int]) -> None:
    assert StateTree.of(values).root == reference_root(values)


@given(MAPS, st.lists(MAPS, max_size=5), st.randoms(use_true_random=False))
def test_updating_equals_rebuilding_in_any_order(
    start: dict[int, int], updates: list[dict[int, int]], draw: random.Random
) -> None:
    tree, whole = StateTree.of(start), dict(start)
    for changes in updates:
        tree = tree.update(changes)
        whole |= changes
    shuffled = list(whole.items())
    draw.shuffle(shuffled)

    one_by_one = StateTree()
    for key, value in shuffled:
        one_by_one = one_by_one.update({key: value})

    assert tree == one_by_one == StateTree.of(whole)
    assert dict(tree.items()) == whole
    assert list(tree.items()) == sorted(whole.items())
    assert all(tree.get(key) == value for key, value in whole.items())


@given(MAPS, MAPS)
def test_an_update_leaves_the_old_tree_as_it_was(values: dict[int, int], changes: dict[int, int]) -> None:
    tree = StateTree.of(values)

    tree.update(changes)

    assert dict(tree.items()) == values
    assert tree.root == reference_root(values)


@given(MAPS.filter(bool))
def test_every_leaf_proves_its_value_and_no_other(values: dict[int, int]) -> None:
    tree = StateTree.of(values)

    for key, value in values.items():
        proof = tree.prove(key)
        assert verify_inclusion(tree.root, key, value, proof)
        assert not verify_inclusion(tree.root, key, value + 1, proof)
        assert not verify_inclusion(tree.root, key ^ 1 << 255, value, proof)


@settings(max_examples=50)
@given(MAPS.filter(bool), st.data())
def test_a_changed_byte_never_leaves_a_proof_valid(values: dict[int, int], data: st.DataObject) -> None:
    tree = StateTree.of(values)
    key = data.draw(st.sampled_from(sorted(values)))
    proof = bytearray(tree.prove(key))
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] ^= data.draw(st.integers(1, 255))

    try:
        valid = verify_inclusion(tree.root, key, values[key], bytes(proof))
    except MalformedProof:
        valid = False

    assert not valid


@given(MAPS, KEYS)
def test_a_key_without_a_leaf_reads_zero_and_has_no_proof(values: dict[int, int], key: int) -> None:
    values.pop(key, None)
    tree = StateTree.of(values)

    assert tree.get(key) == 0
    with pytest.raises(KeyError):
        tree.prove(key)


@pytest.mark.parametrize("value", [0, -1, 2**256])
def test_a_leaf_of_no_value_never_exists(value: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        StateTree().update({1: value})


@pytest.mark.parametrize(
    ("proof", "complaint"),
    [
        (b"", "34 bytes"),
        ((256).to_bytes(2) + bytes(32), "above 255"),
        ((1).to_bytes(2) + uint_word(2) + bytes(31) + b"\x01", "below depth"),
        ((1).to_bytes(2) + uint_word(1), "1 siblings announced"),
        ((1).to_bytes(2) + uint_word(1) + bytes(32), "non-zero is zero"),
        ((1).to_bytes(2) + uint_word(0) + bytes(32), "0 siblings announced"),
    ],
)
def test_bytes_that_are_no_proof_are_refused(proof: bytes, complaint: str) -> None:
    with pytest.raises(MalformedProof, match=complaint):
        implied_root(2, 1, proof)


def test_a_proof_reads_depth_then_bitmap_then_siblings_from_the_bottom() -> None:
    first, second, third = 0b000 << 253, 0b001 << 253, 0b100 << 253
    tree = StateTree.of({first: 1, second: 2, third: 3})
    leaf_1, leaf_2, leaf_3 = (tagged_hash(0, uint_word(k), uint_word(v)) for k, v in tree.items())

    proof = tree.prove(second)

    # first and second part at the third bit: between the root and their parent lies one node with an empty side
    assert proof == (3).to_bytes(2) + uint_word(0b101) + leaf_1 + leaf_3
    parent = tagged_hash(1, leaf_1, leaf_2)
    assert tree.root == tagged_hash(1, tagged_hash(1, parent, ZERO_BYTES32), leaf_3)


def test_earned_and_charged_never_share_a_key() -> None:
    payee = Payee.of_address(OPERATOR)

    assert earned_key(payee) >> 255 == 0
    assert charged_key(payee.id) == 1 << 255 | earned_key(payee)
    assert earned_key(payee) == int.from_bytes(keccak(uint_word(0) + payee.id)) >> 1
    assert earned_key(TREASURY) == int.from_bytes(keccak(uint_word(2) + ZERO_BYTES32)) >> 1


def test_the_state_root_binds_the_total() -> None:
    root: Bytes32 = word("tree")

    assert state_root(root, 7) == tagged_hash(0x04, root, uint_word(7)) != state_root(root, 8)
    assert StateTree().root == ZERO_BYTES32
