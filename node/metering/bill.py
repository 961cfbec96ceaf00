"""What a request that ended is billed. Pure rules."""

from attribution.receipts import Status
from contracts.fees import usage_fee
from contracts.structs import MAX_DURATION_S
from node.payments.admission import Sale
from node.payments.registrations import Registrations
from serving.types import End, Outcome, Usage

_STATUS = {Outcome.FINISHED: Status.FINISHED, Outcome.ABORTED: Status.ABORTED, Outcome.FAILED: Status.FAILED}


def status_of(end: End) -> Status:
    """The receipt's `status` for the way a request ended."""
    return _STATUS[end.outcome]


def fee_of(end: End, sale: Sale) -> int:
    """The fee in base units; 0 for a request that failed or ended before its first output token."""
    if end.outcome is Outcome.FAILED or end.usage.output_tokens == 0:
        return 0
    usage: Usage = end.usage
    return usage_fee(sale.price_list, usage.prompt_tokens, usage.cached_tokens, usage.output_tokens)


def collectable(sale: Sale, registrations: Registrations, *, started_at: int, finished_at: int) -> bool:
    """Whether a batch can contain this receipt: it is short enough, and was sold under the registrations of its start.

    Times in unix seconds. The node follows the registries with a small delay, so a first price list or first terms may
    turn out to have been in force when a request was admitted. Such a request is not billed: no valid receipt exists.
    """
    price_list = registrations.price_list_at(sale.price_list.adapter_key, started_at)
    terms = registrations.terms_at(sale.adapter_key, started_at)
    return (
        finished_at - started_at <= MAX_DURATION_S
        and price_list is not None
        and price_list.value == sale.price_list
        and (terms.value if terms is not None else None) == sale.terms
    )
