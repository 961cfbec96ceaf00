"""What a request that ended is billed: pure rules."""

from attribution.receipts import Status, price
from attribution.transition import MAX_DURATION_S
from node.payments.admission import Sale
from node.payments.registrations import Registrations
from serving.types import End, Outcome, Usage

_STATUS = {Outcome.FINISHED: Status.FINISHED, Outcome.ABORTED: Status.ABORTED, Outcome.FAILED: Status.FAILED}


def status_of(end: End) -> Status:
    """The `status` of a receipt."""
    return _STATUS[end.outcome]


def fee_of(end: End, sale: Sale) -> int:
    """The fee in base units; 0 for a request that failed or ended before its first output token."""
    if end.outcome is Outcome.FAILED or end.usage.output_tokens == 0:
        return 0
    usage: Usage = end.usage
    return price(sale.price_list, usage.prompt_tokens, usage.cached_tokens, usage.output_tokens)


def collectable(sale: Sale, registrations: Registrations, *, started_at: int, finished_at: int) -> bool:
    """Whether a batch could hold this receipt: short enough, and sold under what is registered for its start.

    The registries are followed with a small delay, so a first price list or first terms may turn out to have been in
    force already when a request was let in. Such a request is not billed: no valid receipt exists for it.
    """
    price_list = registrations.price_list_at(sale.adapter_key, started_at)
    terms = registrations.terms_at(sale.adapter_key, started_at)
    return (
        finished_at - started_at <= MAX_DURATION_S
        and price_list is not None
        and price_list.value == sale.price_list
        and (terms.value if terms is not None else None) == sale.terms
    )
