"""The form of a receipt: how its status, fee, number and amounts belong together."""

from enum import IntEnum

from contracts.crypto import ZERO_BYTES32
from contracts.structs import UsageReceipt


class Status(IntEnum):
    """How a request ended: the `status` of its receipt."""

    FINISHED = 0
    ABORTED = 1  # the client left or a limit was reached: billed for what was produced
    FAILED = 2  # ended before the first output token: never billed


class MalformedReceipt(ValueError):
    """The receipt contradicts itself: its status, fee, number and amounts do not fit together."""


def check_form(receipt: UsageReceipt) -> None:
    """Checks that a receipt is charged (with a fee and a number) or free (without both). MalformedReceipt otherwise.

    Charged receipts are numbered from 1 without gaps and enter batches. Free receipts, and those of failed requests,
    are signed with `seq` 0 and zero amounts, and enter no batch.
    """
    if receipt.status not in set(Status):
        raise MalformedReceipt(f"status {receipt.status} is unknown")
    if receipt.started_at > receipt.finished_at:
        raise MalformedReceipt(f"started at {receipt.started_at}, after it finished at {receipt.finished_at}")
    if receipt.fee == 0:
        _check_free(receipt)
    elif receipt.seq == 0:
        raise MalformedReceipt(f"has a fee of {receipt.fee} but no number")
    elif receipt.status == Status.FAILED:
        raise MalformedReceipt(f"a failed request is charged {receipt.fee}")
    elif receipt.cum_before + receipt.fee > receipt.voucher_max:
        raise MalformedReceipt(
            f"charges up to {receipt.cum_before + receipt.fee}, above the voucher's {receipt.voucher_max}"
        )


def _check_free(receipt: UsageReceipt) -> None:
    if receipt.seq != 0:
        raise MalformedReceipt(f"has number {receipt.seq} but no fee")
    if receipt.cum_before or receipt.voucher_max or receipt.shares_hash != ZERO_BYTES32:
        raise MalformedReceipt("has no fee but amounts or shares")
