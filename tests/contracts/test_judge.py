"""The Judge contract confirms exactly the receipts that the Python transition accepts, and names the same fault."""

from collections import Counter
from dataclasses import replace

import pytest

from attribution.evidence import evidence_of
from attribution.transition import apply
from tests.contracts.court import Court
from tests.contracts.forgeries import corrupted, stolen
from tests.contracts.market import Market
from tests.contracts.mutations import mutated


def compare_many(seed: int, honest: int, mutations: int) -> Counter[str]:
    """Judges `honest` receipts of one ledger, and `mutations` changes of each, in both languages."""
    court, faults = Court(Market(seed)), Counter[str]()
    for _ in range(honest):
        item, other = court.serve(), court.serve()
        for _ in range(mutations):
            faults[court.compare(mutated(court, item, other))] += 1
        assert court.compare(item) == ""
        faults["honest"] += 1
        court.state = apply(court.state, item.receipt, item.evidence)
    return faults


def misdirect_many(seed: int, honest: int, mutations: int) -> Counter[str]:
    """Asks the judge to confirm `honest` receipts with wrong states after them, and with corrupted evidence."""
    court, errors = Court(Market(seed)), Counter[str]()
    for _ in range(honest):
        item = court.serve()
        after, evidence = apply(court.state, item.receipt, item.evidence), evidence_of(court.state, item)
        for _ in range(mutations):
            wrong = stolen(court.draw, court.state, item)
            forged = court.draw.choice([evidence, corrupted(court.draw, evidence)])
            error = court.solidity_says(court.place(court.state, wrong), item.receipt, forged)
            assert error, f"the judge confirmed a wrong state after {item}"
            errors[error] += 1
        court.state = after
    return errors


@pytest.mark.parametrize("seed", range(3))
def test_both_judges_give_the_same_answer(seed: int) -> None:
    faults = compare_many(seed, honest=25, mutations=4)

    assert faults["honest"] == 25
    assert len(faults) > 8, "the mutations reach many rules"


def test_no_evidence_confirms_a_wrong_state() -> None:
    errors = misdirect_many(seed=7, honest=15, mutations=8)

    assert errors["WrongStateAfter"] > 15


def test_corrupted_evidence_never_confirms_another_receipt() -> None:
    court = Court(Market(8))
    item = court.serve()
    after, evidence = apply(court.state, item.receipt, item.evidence), evidence_of(court.state, item)
    receipt = replace(item.receipt, fee=item.receipt.fee + 1)

    for _ in range(100):
        place = court.place(court.state, after.root)
        assert court.solidity_says(place, receipt, corrupted(court.draw, evidence))


def test_a_receipt_must_finish_before_its_batch_is_closed() -> None:
    court = Court(Market(9))
    item = court.serve()
    root = apply(court.state, item.receipt, item.evidence).root
    place = replace(court.place(court.state, root), closed_at=item.receipt.finished_at)
    evidence = evidence_of(court.state, item)

    assert court.solidity_says(place, item.receipt, evidence) == ""
    early = replace(place, closed_at=item.receipt.finished_at - 1)
    assert court.solidity_says(early, item.receipt, evidence) == "FinishedOutsideBatch"


def test_evidence_with_two_terms_or_requests_is_ambiguous() -> None:
    court = Court(Market(10))
    item = court.serve()
    place = court.place(court.state, apply(court.state, item.receipt, item.evidence).root)
    evidence = bytearray(evidence_of(court.state, item))
    at_terms = 32 + 32 * (7 + 1 + 8)  # behind the offset of the struct: config, voucher signature, price list
    start = 32 + int.from_bytes(evidence[at_terms : at_terms + 32])
    evidence[start : start + 32] = (2).to_bytes(32)

    assert court.solidity_says(place, item.receipt, bytes(evidence)) == "AmbiguousEvidence"
