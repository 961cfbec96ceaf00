"""Datanets: commitments hide and open, roots do not depend on order, shares never exceed what was earned."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.datanets import (
    Contribution,
    Contributors,
    InvalidDatanet,
    WeightProof,
    canonical_bytes,
    content_root,
    contribution_commit,
    share,
)
from contracts.crypto import Address, Bytes32, address_bytes, keccak
from tests.attribution.ledgers import OWNERS, key, word

WEIGHTS = st.lists(st.integers(1, 2**40), min_size=1, max_size=20).map(
    lambda weights: [(key(100 + i).address, weight) for i, weight in enumerate(weights)]
)


@given(WEIGHTS, st.integers(0, 2**128 - 1))
def test_shares_never_exceed_what_was_earned_and_leave_less_than_one_unit_each(
    weights: list[tuple[Address, int]], cumulative: int
) -> None:
    total = sum(weight for _, weight in weights)

    paid = sum(share(cumulative, weight, total) for _, weight in weights)

    assert cumulative - len(weights) < paid <= cumulative


@given(st.integers(1, 2**40), st.integers(0, 2**40), st.lists(st.integers(0, 2**100), max_size=5).map(sorted))
def test_paying_the_difference_in_steps_pays_what_one_claim_would(
    weight: int, others: int, cumulatives: list[int]
) -> None:
    paid = 0
    for cumulative in cumulatives:
        paid += share(cumulative, weight, weight + others) - paid

    assert paid == (share(cumulatives[-1], weight, weight + others) if cumulatives else 0)


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_the_contributors_root_does_not_depend_on_order(
    weights: list[tuple[Address, int]], draw: random.Random
) -> None:
    shuffled = list(weights)
    draw.shuffle(shuffled)

    made = Contributors.of(weights)

    assert made == Contributors.of(shuffled)
    assert [address_bytes(one.address) for one in made.members] == sorted(
        address_bytes(one.address) for one in made.members
    )
    assert made.total_weight == sum(weight for _, weight in weights)


@given(WEIGHTS)
def test_every_contributor_proves_its_weight_and_no_other(weights: list[tuple[Address, int]]) -> None:
    made = Contributors.of(weights)

    for one in made.members:
        proof = made.prove(one.address)
        count = len(made.members)
        assert proof.verify(made.root, count)
        richer = WeightProof(type(one)(one.address, one.weight + 1), proof.index, proof.path)
        stranger = WeightProof(type(one)(OWNERS[0], one.weight), proof.index, proof.path)
        assert not richer.verify(made.root, count)
        assert not stranger.verify(made.root, count)
        assert made.weight_of(one.address) == one.weight


def test_a_stranger_has_no_weight() -> None:
    made = Contributors.of([(OWNERS[0], 5)])

    assert made.weight_of(OWNERS[1]) == 0
    with pytest.raises(KeyError, match="no contributor"):
        made.prove(OWNERS[1])


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([], "at least one"),
        ([(OWNERS[0], 1), (OWNERS[0], 2)], "twice"),
        ([(OWNERS[0], 0)], "positive"),
        ([(OWNERS[0], 2**63), (OWNERS[1], 2**63)], "2\\^64"),
    ],
)
def test_weights_that_cannot_be_registered_are_refused(weights: list[tuple[Address, int]], complaint: str) -> None:
    with pytest.raises(InvalidDatanet, match=complaint):
        Contributors.of(weights)


def contribution(number: int) -> Contribution:
    return Contribution(contribution_commit(word(f"salt {number}"), f"text {number}"), 7, OWNERS[0], "CC-BY-4.0", 1_000)


def test_the_content_root_is_over_sorted_leaves() -> None:
    items = [contribution(number) for number in range(5)]

    assert content_root(items) == content_root(reversed(items)) != content_root(items[:4])


def test_a_repeated_or_missing_contribution_is_refused() -> None:
    with pytest.raises(InvalidDatanet, match="twice"):
        content_root([contribution(1), contribution(1)])
    with pytest.raises(InvalidDatanet, match="at least one"):
        content_root([])


def test_a_commitment_opens_to_the_canonical_text() -> None:
    salt: Bytes32 = word("salt")

    assert contribution_commit(salt, "cafe\u0301\r\n") == keccak(salt + "caf\u00e9\n".encode())
    assert canonical_bytes("a\rb") == b"a\nb"
