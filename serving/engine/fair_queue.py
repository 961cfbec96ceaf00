"""Fair turns: flows that have nothing under way come first; within each group, deficit round-robin in tokens."""

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
    """Whether it has received the quantum of its current turn."""


class FairQueue(Generic[Item]):
    """Items wait in one first-in-first-out queue per flow. Flows take turns, and each turn is worth QUANTUM_TOKENS.

        idle   flows with waiting items and nothing under way
        busy   flows with waiting items and something under way

    No busy flow has a turn while a flow is idle, so a flow that asks rarely never waits for the backlog of a flow that
    floods. The flood waits for at most one turn of each other flow, and becomes idle, hence first, when everything it
    has under way has ended. This follows the "new flows" of fq_codel (RFC 8290).

    Within each group: a flow whose first item costs more than its credit keeps the credit for its next turn, so every
    item is served after a bounded number of rounds. Source: Shreedhar and Varghese, SIGCOMM 1995.
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
        """Adds an item to the end of its flow's queue."""
        name = self._flow_of(item)
        flow = self._flows.setdefault(name, _Flow())
        flow.items.append(item)
        self._waiting += 1
        self._line_up(name, flow)

    def peek(self) -> Item:
        """Returns the item whose turn it is; turns pass to the flow that has enough credit. The queue is not empty.

        The item stays the same until it is removed, something begins or ends, or an idle flow appears ahead of busy
        ones.
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
        """Removes the item whose turn it is and charges its flow for it."""
        item = self.peek()
        self._flows[self._flow_of(item)].credit -= self._cost_of(item)
        self.remove(item)
        return item

    def remove(self, item: Item) -> None:
        """Removes an item from its flow's queue, without a charge."""
        name = self._flow_of(item)
        flow = self._flows[name]
        flow.items.remove(item)
        self._waiting -= 1
        self._line_up(name, flow)

    def begin(self, item: Item) -> None:
        """Counts an item of this flow as under way. It does not wait in this queue any more."""
        name = self._flow_of(item)
        flow = self._flows.setdefault(name, _Flow())
        flow.under_way += 1
        self._line_up(name, flow)

    def end(self, item: Item) -> None:
        """Counts an item of this flow as no longer under way."""
        name = self._flow_of(item)
        flow = self._flows[name]
        assert flow.under_way > 0
        flow.under_way -= 1
        self._line_up(name, flow)

    def is_idle(self, item: Item) -> bool:
        """Whether the item's flow has nothing under way."""
        flow = self._flows.get(self._flow_of(item))
        return flow is None or flow.under_way == 0

    @property
    def credits(self) -> list[int]:
        """The tokens that each flow has saved up."""
        return [flow.credit for flow in self._flows.values()]

    def _line_up(self, name: Hashable, flow: _Flow[Item]) -> None:
        """Moves the flow to its group: to the end, or to the front if the flow is in the middle of a turn."""
        right = (self._busy if flow.under_way else self._idle) if flow.items else None
        for turns in (self._idle, self._busy):
            if turns is not right:
                turns.pop(name, None)
        if right is not None and name not in right:
            right[name] = flow
            right.move_to_end(name, last=not flow.turn_begun)
        if right is None:
            flow.credit, flow.turn_begun = 0, False  # a flow without waiting items saves no credit
            if not flow.under_way:
                del self._flows[name]
