"""Claims as documents: what a node sends is parsed before anything is signed."""

from typing import Any

import pytest

from attribution.split import TREASURY, Payee
from attribution.state_tree import StateTree, earned_key
from node.chain.contracts import PayeeClaim, ShareClaim
from node.chain.memory import MemoryChain
from node.settlement.claims import CLAIMS_PER_CALL, ClaimEntry, ClaimPlan, MalformedClaims
from tests.attribution.ledgers import NODE, OWNERS, SETTLEMENT, word

ME = OWNERS[0]
PROOF = StateTree.of({earned_key(TREASURY): 5, earned_key(Payee.of_address(ME)): 7}).prove(earned_key(TREASURY))
OWN = ClaimEntry(PayeeClaim(NODE, 3, word("header"), 0, Payee.of_address(ME).id, 7, PROOF), 7)
SHARE = ClaimEntry(ShareClaim(NODE, 3, word("header"), word("net"), 1, 50, PROOF, ME, 5, 2, (word("sibling"),)), 14)
PLAN = ClaimPlan(ME, (OWN, SHARE))


def test_a_plan_survives_its_document() -> None:
    assert ClaimPlan.from_json(PLAN.to_json()) == PLAN
    assert PLAN.amount == 21


def test_own_lines_and_shares_go_in_separate_calls_of_bounded_size() -> None:
    many = ClaimPlan(ME, (OWN, *([SHARE] * (CLAIMS_PER_CALL + 1))))

    calls = many.calls(MemoryChain(), SETTLEMENT)

    assert len(calls) == 3
    assert {call.to for call in calls} == {SETTLEMENT}
    assert ClaimPlan(ME, ()).calls(MemoryChain(), SETTLEMENT) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("address",), "0x12"),
        (("claims",), None),
        (("claims", 0, "amount"), "-1"),
        (("claims", 0, "epoch"), "1e3"),
        (("claims", 0, "proof"), "0x123"),
        (("claims", 0, "id"), "0x"),
        (("claims", 1, "weightProof"), ["0x00"]),
        (("claims", 1, "version"), None),
    ],
)
def test_a_malformed_member_is_refused(path: tuple[str | int, ...], value: object) -> None:
    document: Any = PLAN.to_json()
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value

    with pytest.raises(MalformedClaims):
        ClaimPlan.from_json(document)


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_plan_is_refused(document: object) -> None:
    with pytest.raises(MalformedClaims):
        ClaimPlan.from_json(document)
