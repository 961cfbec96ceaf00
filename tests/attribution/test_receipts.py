"""A receipt is charged or free, and never contradicts itself."""

from dataclasses import replace

import pytest

from attribution.receipts import MalformedReceipt, Status, check_form
from contracts.crypto import keccak
from tests.attribution.ledgers import PAYERS, HonestNode


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": 3}, "unknown"),
        ({"status": 2}, "failed request"),
        ({"seq": 0}, "no number"),
        ({"fee": 0}, "no fee"),
        ({"fee": 0, "seq": 0}, "amounts"),
        ({"voucher_max": 5}, "above the voucher"),
        ({"started_at": 99_999}, "after it finished"),
    ],
)
def test_a_receipt_that_contradicts_itself_is_refused(change: dict[str, int], complaint: str) -> None:
    receipt = replace(HonestNode().serve(PAYERS[0], 0).receipt, **change)

    with pytest.raises(MalformedReceipt, match=complaint):
        check_form(receipt)


def test_charged_and_free_receipts_are_well_formed() -> None:
    charged = HonestNode().serve(PAYERS[0], 0).receipt

    check_form(charged)
    check_form(replace(charged, seq=0, fee=0, cum_before=0, voucher_max=0, status=2))


def test_a_free_receipt_has_no_shares() -> None:
    free = replace(HonestNode().serve(PAYERS[0], 0).receipt, seq=0, fee=0, cum_before=0, voucher_max=0)

    with pytest.raises(MalformedReceipt, match="shares"):
        check_form(replace(free, shares_hash=keccak(b"shares")))


@pytest.mark.parametrize("status", [Status.FINISHED, Status.ABORTED])
def test_a_request_that_was_cut_off_is_charged_like_a_finished_one(status: Status) -> None:
    check_form(replace(HonestNode().serve(PAYERS[0], 0).receipt, status=status))
