"""Whose turn it is: deficit round-robin over flows, in tokens."""

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


class FairQueue(Generic[Item]):
    """Items wait in one first-in-first-out queue per flow; flows take turns and each turn is worth QUANTUM_TOKENS.

    A flow whose first item costs more than its credit keeps the credit for its next turn, so every item's turn comes
    after a bounded number of rounds, whatever the others send. Source: Shreedhar and Varghese, SIGCOMM 1995.
    """

    def __init__(self, flow_of: Callable[[Item], Hashable], cost_of: Callable[[Item], int]) -> None:
        self._flow_of = flow_of
        self._cost_of = cost_of
        self._flows: OrderedDict[Hashable, _Flow[Item]] = OrderedDict()
        self._turn_begun = False
        """Whether the first flow has had its quantum for this turn."""

    def __len__(self) -> int:
        return sum(len(flow.items) for flow in self._flows.values())

    def __iter__(self) -> Iterator[Item]:
        return (item for flow in self._flows.values() for item in flow.items)

    def push(self, item: Item) -> None:
        self._flows.setdefault(self._flow_of(item), _Flow()).items.append(item)

    def peek(self) -> Item:
        """The item whose turn it is; it stays the same until that item is popped or removed. The queue is not empty."""
        while True:
            name, flow = next(iter(self._flows.items()))
            if not self._turn_begun:
                flow.credit += QUANTUM_TOKENS
                self._turn_begun = True
            if flow.credit >= self._cost_of(flow.items[0]):
                return flow.items[0]
            self._flows.move_to_end(name)
            self._turn_begun = False

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
        if not flow.items:
            if next(iter(self._flows)) == name:
                self._turn_begun = False
            del self._flows[name]  # an idle flow saves up nothing
