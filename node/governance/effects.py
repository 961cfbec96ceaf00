"""What a proposed change would have meant for existing receipts. Only a simulation: no change applies to the past."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from attribution.batch import Item
from attribution.split import TREASURY, Payee, PayeeKind, lines
from contracts.structs import PriceList

Role = str


@dataclass(frozen=True, slots=True)
class Effect:
    """How the fees of some receipts are split now, and how they would have been: role → base units.

    The sums of both are equal: a fee does not change, only its split.
    """

    receipts: int
    before: dict[Role, int]
    after: dict[Role, int]


@dataclass(frozen=True, slots=True)
class WindowEffect:
    """What another challenge window means at the pace of some receipts. Windows in seconds, amounts in base units.

    waiting: the fees in headers whose window runs. Nobody can claim them yet, and the node's stake must cover them.
    """

    receipts: int
    window_before: int
    window_after: int
    waiting_before: int
    waiting_after: int


def effect_of_window(items: Sequence[Item], present_s: int, proposed_s: int) -> WindowEffect:
    """The fees of these receipts, spread over the time in which they were served, give the pace."""
    fees = sum(item.receipt.fee for item in items)
    begun = min((item.receipt.started_at for item in items), default=0)
    ended = max((item.receipt.finished_at for item in items), default=0)
    span_s = max(1, ended - begun)
    before, after = (fees * window_s // span_s for window_s in (present_s, proposed_s))
    return WindowEffect(len(items), present_s, proposed_s, before, after)


def effect_of_treasury_ppm(items: Sequence[Item], ppm: int) -> Effect:
    """The split of these receipts' fees with another part for the treasury. Raises `InvalidSplit` if the parts
    exceed the fee.
    """
    before, after = Counter[Role](), Counter[Role]()
    for item in items:
        present, terms = item.evidence.price_list.value, item.evidence.terms
        changed = replace(present, treasury_ppm=ppm)
        for total, prices in ((before, present), (after, changed)):
            for payee, amount in lines(item.receipt.fee, prices, terms.value if terms else None).items():
                total[_role(payee, present)] += amount
    assert before.total() == after.total(), "a split changed a fee"
    roles = [role for role in ("treasury", "adapter owners", "Datanets", "operators") if before[role] or after[role]]
    return Effect(len(items), {role: before[role] for role in roles}, {role: after[role] for role in roles})


def _role(payee: Payee, prices: PriceList) -> Role:
    """An account that is owner and operator counts as the operator, whose line is the rest of the fee."""
    if payee == TREASURY:
        return "treasury"
    if payee.kind == PayeeKind.DATANET:
        return "Datanets"
    return "operators" if payee.address == prices.operator_payee else "adapter owners"
