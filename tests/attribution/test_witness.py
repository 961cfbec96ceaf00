"""Witnesses: they read the tree they were made for, predict its growth, and no change of them fits the same root."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.state_tree import MalformedProof, StateTree
from attribution.witness import MalformedWitness, grow, read, witness_of
from contracts.crypto import ZERO_BYTES32
from contracts.encoding import uint_word
from tests.attribution.test_state_tree import KEYS, MAPS

VALUES = st.integers(1, 2**127)
NO_SIBLINGS = bytes(34)


@given(MAPS, KEYS)
def test_a_witness_reads_the_value_or_the_absence_of_a_key(values: dict[int, int], key: int) -> None:
    tree = StateTree.of(values)

    assert read(key, witness_of(tree, key)) == (values.get(key, 0), tree.root)


@given(MAPS, KEYS, VALUES)
def test_a_witness_predicts_the_root_once_a_value_has_grown(values: dict[int, int], key: int, delta: int) -> None:
    tree = StateTree.of(values)

    growth = grow(key, delta, witness_of(tree, key))

    assert growth.value == values.get(key, 0)
    assert growth.root_before == tree.root
    assert growth.root_after == tree.update({key: values.get(key, 0) + delta}).root


@settings(max_examples=200)
@given(MAPS, KEYS, st.data())
def test_no_change_of_a_witness_gives_another_value_for_the_same_root(
    values: dict[int, int], key: int, data: st.DataObject
) -> None:
    tree = StateTree.of(values)
    witness = bytearray(witness_of(tree, key))
    bit = data.draw(st.integers(0, 8 * len(witness) - 1))
    witness[bit // 8] ^= 1 << bit % 8

    try:
        value, root = read(key, bytes(witness))
    except (MalformedWitness, MalformedProof):
        return

    assert root != tree.root or value == values.get(key, 0)


@pytest.mark.parametrize(
    "witness",
    [
        b"",
        b"\0",
        b"\x03" + bytes(16) + NO_SIBLINGS,
        b"\0" + bytes(16) + NO_SIBLINGS,  # a leaf of value 0
        b"\1" + NO_SIBLINGS[:-1],
        b"\2" + uint_word(7) + (1).to_bytes(16) + NO_SIBLINGS,  # the key itself beside itself
        b"\2" + uint_word(1 << 255) + (1).to_bytes(16) + b"\0\1" + bytes(32),  # parted at the root, met below it
    ],
)
def test_bytes_that_are_no_witness_are_refused(witness: bytes) -> None:
    with pytest.raises(MalformedWitness):
        read(7, witness)


def test_a_depth_beyond_the_keys_is_refused() -> None:
    with pytest.raises(MalformedProof):
        read(7, b"\2" + uint_word(6) + (1).to_bytes(16) + (256).to_bytes(2) + bytes(32))


def test_the_empty_tree_holds_nothing() -> None:
    assert read(7, witness_of(StateTree(), 7)) == (0, ZERO_BYTES32)
