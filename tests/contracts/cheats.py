"""Dishonest batches: what an operator could post who changes any receipt, evidence, state, order, count or header."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from attribution.batch import ChainTip, Item
from attribution.split import InvalidSplit
from attribution.transition import InvalidTransition, LedgerState, advance
from contracts.crypto import Bytes32
from contracts.eip712 import StructError
from tests.contracts.court import Court
from tests.contracts.docket import Entry, Filing, filing_of
from tests.contracts.forgeries import stolen
from tests.contracts.mutations import changed_field, mutated

NEVER = (InvalidTransition, InvalidSplit, StructError, ValueError, OverflowError, AssertionError)


@dataclass(frozen=True, slots=True)
class Scene:
    """A court whose ledger ends at `tip`, after the posted header of `last`."""

    court: Court
    tip: ChainTip
    last: Filing

    @property
    def closed_at(self) -> int:
        """The latest time at which an honest batch can be closed."""
        return self.court.world.machine.now


def honest(
    court: Court, start: LedgerState, count: int, change: Callable[[int, Entry, Item], Entry] | None = None
) -> tuple[Entry, ...]:
    """The entries of `count` receipts after `start`. `change` may replace one; the next continues from its state."""
    state, entries = start, list[Entry]()
    for position in range(count):
        court.state = state
        item = court.serve()
        entry = entry_after(state, item)
        if change is not None:
            entry = change(position, entry, court.serve())
        entries.append(entry)
        state = replace(unchecked(state, entry.item) or state, seq=state.seq + 1)
    court.state = start
    return tuple(entries)


def entry_after(state: LedgerState, item: Item) -> Entry:
    """The entry of a receipt as an operator books it who checks no rule."""
    after = unchecked(state, item)
    return Entry(item, state, state.root, after.root if after else state.root)


def unchecked(state: LedgerState, item: Item) -> LedgerState | None:
    """The state after a receipt by T6 alone; None if its lines cannot be booked."""
    terms = item.evidence.terms.value if item.evidence.terms else None
    try:
        return advance(state, item.receipt, item.evidence.price_list.value, terms)
    except NEVER:
        return None


def state_after(filing: Filing) -> LedgerState:
    """The ledger's state after an honest filing."""
    last = filing.entries[-1]
    state = unchecked(last.before, last.item)
    assert state is not None
    return state


def _filed(scene: Scene, entries: Sequence[Entry]) -> Filing:
    closed_at = max(entry.item.receipt.finished_at for entry in entries)
    return filing_of(scene.tip, entries, min(closed_at, scene.closed_at), scene.last.header)


def _count(scene: Scene) -> int:
    return scene.court.draw.choice([1, 2, 3, 5])


# ---- cheats ----------------------------------------------------------------------------------------------------------


def honest_batch(scene: Scene) -> Filing:
    """No cheat at all."""
    return _filed(scene, honest(scene.court, scene.tip.state, _count(scene)))


def wrong_receipt(scene: Scene) -> Filing:
    """One receipt or its evidence is changed, and the state follows it."""
    count, court = _count(scene), scene.court
    chosen = court.draw.randrange(count)

    def change(position: int, entry: Entry, other: Item) -> Entry:
        if position != chosen:
            return entry
        return entry_after(entry.before, mutated(court, entry.item, other))

    return _filed(scene, honest(scene.court, scene.tip.state, count, change))


def wrong_state(scene: Scene) -> Filing:
    """After one receipt a unit goes astray in the state, and all later states follow from that."""
    entries = list(honest(scene.court, scene.tip.state, _count(scene)))
    chosen = scene.court.draw.randrange(len(entries))
    entry = entries[chosen]
    wrong = stolen(scene.court.draw, entry.before, entry.item)
    entries[chosen] = replace(entry, root_after=wrong)
    if chosen + 1 < len(entries):
        entries[chosen + 1] = replace(entries[chosen + 1], root_before=wrong)
    return _filed(scene, entries)


def wrong_root(scene: Scene) -> Filing:
    """One root of one leaf is another one: the leaves no longer link, or no longer meet the ends."""
    entries, draw = list(honest(scene.court, scene.tip.state, _count(scene))), scene.court.draw
    chosen = draw.randrange(len(entries))
    name = draw.choice(["root_before", "root_after"])
    wrong = draw.choice([Bytes32(draw.randbytes(32)), draw.choice(entries).root_after, scene.tip.state.root])
    honest_end = entries[-1].root_after
    entries[chosen] = replace(entries[chosen], **{name: wrong})
    filing = _filed(scene, entries)
    if draw.random() < 0.5:  # the header ends where it should
        filing = replace(filing, header=replace(filing.header, state_root=honest_end))
    return filing


def wrong_order(scene: Scene) -> Filing:
    """Receipts are swapped, repeated or left out; the roots stay, or follow the new order."""
    entries, draw = list(honest(scene.court, scene.tip.state, draw_count(scene))), scene.court.draw
    first, second = draw.sample(range(len(entries)), 2)
    kind = draw.randrange(4)
    if kind == 0:
        entries[first], entries[second] = entries[second], entries[first]
    elif kind == 1:
        entries[first] = replace(entries[first], item=entries[second].item)
    elif kind == 2:
        del entries[min(first, len(entries) - 2)]
    else:
        entries.insert(first, entries[first])
    return _filed(scene, entries)


def draw_count(scene: Scene) -> int:
    """A number of receipts of which some can change places."""
    return scene.court.draw.choice([2, 3, 5])


def billed_twice(scene: Scene) -> Filing:
    """The same signed request is billed by a second receipt, in this batch or after an earlier one."""
    draw, court = scene.court.draw, scene.court
    again = draw.choice([entry.item for entry in scene.last.entries])
    count = draw_count(scene)

    def change(position: int, entry: Entry, other: Item) -> Entry:
        if position != count - 1:
            return entry
        receipt = replace(
            again.receipt,
            seq=entry.before.seq + 1,
            cum_before=court.charged(entry.before, again.receipt.channel_id),
            started_at=entry.item.receipt.started_at,
            finished_at=entry.item.receipt.finished_at,
        )
        return entry_after(entry.before, replace(again, receipt=receipt))

    return _filed(scene, honest(scene.court, scene.tip.state, count, change))


def wrong_header(scene: Scene) -> Filing:
    """One field of the header is another one."""
    filing = honest_batch(scene)
    header = changed_field(scene.court.draw, filing.header, scene.last.header)
    return replace(filing, header=header)


def wrong_count(scene: Scene) -> Filing:
    """The header counts more or fewer receipts than its root holds."""
    filing, draw = honest_batch(scene), scene.court.draw
    count = max(1, filing.header.count + draw.choice([-1, 1, 2, 3]))
    return replace(filing, header=replace(filing.header, count=count))


def wrong_total(scene: Scene) -> Filing:
    """The header's total is not the one in its state root."""
    filing, draw = honest_batch(scene), scene.court.draw
    total = filing.header.cum_total + draw.choice([-1, 1, 10**18])
    return replace(filing, header=replace(filing.header, cum_total=total))


CHEATS: dict[str, Callable[[Scene], Filing]] = {
    "wrong receipt": wrong_receipt,
    "wrong state": wrong_state,
    "wrong root": wrong_root,
    "wrong order": wrong_order,
    "billed twice": billed_twice,
    "wrong header": wrong_header,
    "wrong count": wrong_count,
    "wrong total": wrong_total,
}
