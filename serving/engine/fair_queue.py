"""Whose turn it is: flows that have nothing under way first, then deficit round-robin, in tokens."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

QUANTUM_TOKENS = 1024


@dataclass(slots=True)
class _Flow(Generic[Item]):
    items: deque[Item] = field(default_factory=deque)
    credit: int = 0
    under_way: int = 0
    turn_begun: bool = False
    """Whether it has had its quantum for this turn."""


class FairQueue(Generic[Item]):
    """Items wait in one first-in-first-out queue per flow; flows take turns and each turn is worth QUANTUM_TOKENS.

        idle   flows that wait and have nothing under way      busy   flows that wait and have

    Nobody of `busy` has a turn while anybody is `idle`, so a flow that asks rarely never waits for the backlog of one
    that floods; the flood is held up by one turn of each other flow at most, and is itself idle, hence first again,
    once what it has under way has ended (after the "new flows" of RFC 8290, fq_codel).

    Within each of the two: a flow whose first item costs more than its credit keeps the credit for its next turn, so
    every item's turn comes after a bounded number of rounds. Source: Shreedhar and Varghese, SIGCOMM 1995.
    """

    def __init__(self, flow_of: Callable[[Item], Hashable], cost_of: Callable[[Item], int]) -> None:
        self._flow_of = flow_of
        self._cost_of = cost_of
        self._flows: dict[Hashable, _Flow[Item]] = {}
        self._idle: OrderedDict[Hashable, _Flow[Item]] = OrderedDict()
        self._busy: OrderedDict[Hashable, _Flow[Item]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def __iter__(self) -> Iterator[Item]:
        return (item for flow in self._flows.values() for item in flow.items)

    def push(self, item: Item) -> None:
        name = self._flow_of(item)
        flow = self._flows.setdefault(name, _Flow())
        flow.items.append(item)
        self._waiting += 1
        self._line_up(name, flow)

    def peek(self) -> Item:
        """The item whose turn it is; it stays the same until it is removed, `busy` has to let a new flow of `idle` go
        first, or something begins or ends. The queue is not empty.
        """
        turns = self._idle or self._busy
        while True:
            name, flow = next(iter(turns.items()))
            if not flow.turn_begun:
                flow.credit += QUANTUM_TOKENS
                flow.turn_begun = True
            if flow.credit >= self._cost_of(flow.items[0]):
                return flow.items[0]
            flow.turn_begun = False
            turns.move_to_end(name)

    def pop(self) -> Item:
        """Removes the item whose turn it is and charges its flow."""
        item = self.peek()
        self._flows[self._flow_of(item)].credit -= self._cost_of(item)
        self.remove(item)
        return item

    def remove(self, item: Item) -> None:
        name = self._flow_of(item)
        flow = self._flows[name]
        flow.items.remove(item)
        self._waiting -= 1
        self._line_up(name, flow)

    def begin(self, item: Item) -> None:
        """An item of this flow, which does not wait here, is under way from now on."""
        name = self._flow_of(item)
        flow = self._flows.setdefault(name, _Flow())
        flow.under_way += 1
        self._line_up(name, flow)

    def end(self, item: Item) -> None:
        """It is no more."""
        name = self._flow_of(item)
        flow = self._flows[name]
        assert flow.under_way > 0
        flow.under_way -= 1
        self._line_up(name, flow)

    def is_idle(self, item: Item) -> bool:
        """Whether the item's flow has nothing under way."""
        flow = self._flows.get(self._flow_of(item))
        return flow is None or flow.under_way == 0

    def _line_up(self, name: Hashable, flow: _Flow[Item]) -> None:
        """Puts the flow where it belongs now: at the end if it was elsewhere, but a turn it has begun goes on there."""
        right = (self._busy if flow.under_way else self._idle) if flow.items else None
        for turns in (self._idle, self._busy):
            if turns is not right:
                turns.pop(name, None)
        if right is not None and name not in right:
            right[name] = flow
            right.move_to_end(name, last=not flow.turn_begun)
        if right is None:
            flow.credit, flow.turn_begun = 0, False  # a flow that waits for nothing saves up nothing
            if not flow.under_way:
                del self._flows[name]
