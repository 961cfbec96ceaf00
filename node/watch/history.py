"""What happened to headers on the chain: postings, demands, answers and deaths, read from the logs of recent blocks.

The newest blocks are read again each time, so that a reorganisation or an endpoint that lags leaves nothing wrong.
"""

from dataclasses import dataclass, field, replace
from functools import cache

from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from contracts.encoding import header_commitment
from contracts.structs import BatchHeader
from local_chain.deployment import Deployment
from node.chain.abi import abi_of
from node.chain.client import ChainClient, Log
from node.chain.demand_events import LeafDemanded, PayeeDemanded, PayeeShown
from node.chain.demands import Demand
from node.chain.errors import CallRefused
from node.chain.events import BatchPosted, HeaderDied, parse
from node.watch.challenges import Item

LOOK_BACK_S = 14 * 86_400
"""How far back events are read at first. Demands and headers that are undecided are younger."""
_READ_AGAIN = 128
_MOST_BLOCKS = 2_000


@dataclass(frozen=True, slots=True)
class Posting:
    """A header that was posted; its window ends at `active_from` (unix seconds)."""

    header: BatchHeader
    active_from: int

    @property
    def commitment(self) -> Bytes32:
        """What Settlement holds of the header."""
        return header_commitment(self.header.struct_hash(), self.header.state_root)


@dataclass(frozen=True, slots=True)
class DemandMade:
    """A demand, open or not. bond: wei. deadline: when the header can die of it, in unix seconds.

    posting: what it is about; None if that is older than what was read.
    """

    node: Address
    epoch: int
    item: Item
    author: Address
    bond: int
    deadline: int
    posting: Posting | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer to a demand on a payee: everything it earned up to the epoch, and the witness of it."""

    node: Address
    epoch: int
    payee: Payee
    cumulative: int
    witness: bytes


Event = Posting | DemandMade | Shown | HeaderDied


@dataclass(slots=True)
class History:
    """The events of all nodes, from `look_back_s` before the first reading on."""

    client: ChainClient
    deployment: Deployment
    look_back_s: int = LOOK_BACK_S
    _events: list[tuple[int, Event]] = field(default_factory=list)
    _first: int | None = None
    _next: int = 0

    async def refresh(self) -> None:
        """Reads what is new. Raises ChainError."""
        head = await self.client.head()
        if self._first is None:
            self._first = self._next = await self._block_at(head.timestamp - self.look_back_s, head.number)
        start = max(self._first, min(self._next, head.number + 1) - _READ_AGAIN)
        found = await self._read(start, head.number)
        self._events = [(number, event) for number, event in self._events if number < start] + found
        self._next = head.number + 1

    async def posting(self, node: Address, epoch: int) -> Posting | None:
        """The newest posting of an epoch. Reads further back if the events so far lack it. Raises ChainError."""
        while (found := self._posting(node, epoch, len(self._events))) is None and self._first:
            self.look_back_s *= 4
            self._first, self._events = None, []
            await self.refresh()
        return found

    def demands(self, node: Address, author: Address) -> list[DemandMade]:
        """The demands of an author on headers of a node, oldest first, each with the posting that it is about."""
        return [
            replace(event, posting=self._posting(node, event.epoch, at))
            for at, (_, event) in enumerate(self._events)
            if isinstance(event, DemandMade) and (event.node, event.author) == (node, author)
        ]

    def shown(self, payee: Payee) -> list[Shown]:
        """What was shown of a payee, oldest first."""
        return [event for _, event in self._events if isinstance(event, Shown) and event.payee == payee]

    def shown_of(self, node: Address, epoch: int) -> list[Shown]:
        """What was shown of any payee of a header, oldest first."""
        every = (event for _, event in self._events if isinstance(event, Shown))
        return [event for event in every if (event.node, event.epoch) == (node, epoch)]

    def deaths(self, node: Address) -> list[HeaderDied]:
        """The deaths of headers of a node, oldest first."""
        return [event for _, event in self._events if isinstance(event, HeaderDied) and event.node == node]

    def _posting(self, node: Address, epoch: int, before: int) -> Posting | None:
        for _, event in reversed(self._events[:before]):
            if isinstance(event, Posting) and (event.header.node, event.header.epoch) == (node, epoch):
                return event
        return None

    async def _read(self, first: int, last: int) -> list[tuple[int, Event]]:
        """The events of some blocks, in ranges that the endpoint accepts."""
        found, step = list[Log](), _MOST_BLOCKS
        addresses = [self.deployment.settlement, self.deployment.challenges]
        while first <= last:
            until = min(first + step - 1, last)
            try:
                found += await self.client.logs(addresses, list(_topics()), first, until)
            except CallRefused:
                if step == 1:
                    raise
                step = max(1, step // 4)
                continue
            first = until + 1
        return [(log.block_number, _parsed(log)) for log in found]

    async def _block_at(self, timestamp: int, last: int) -> int:
        """The first block at or after a time, by bisection."""
        low, high = 0, last
        while low < high:
            middle = (low + high) // 2
            block = await self.client.block(middle)
            if block is not None and block.timestamp < timestamp:
                low = middle + 1
            else:
                high = middle
        return low


@cache
def _topics() -> dict[Bytes32, tuple[str, str]]:
    """The events that are read: (contract, event) by topic."""
    read = {
        "Settlement": ("BatchPosted", "HeaderDied"),
        "Challenges": ("LeafDemanded", "PayeeDemanded", "PayeeShown"),
    }
    return {abi_of(contract).events[name].topic: (contract, name) for contract, names in read.items() for name in names}


def _parsed(log: Log) -> Event:
    contract, _ = _topics()[log.topics[0]]
    match parse(contract, log):
        case BatchPosted() as posted:
            return Posting(posted.header, posted.active_from)
        case HeaderDied() as death:
            return death
        case PayeeShown() as shown:
            payee = Payee(shown.payee_kind, shown.id)
            return Shown(shown.node, shown.epoch, payee, shown.cumulative, shown.witness)
        case LeafDemanded() | PayeeDemanded() as demanded:
            demand = Demand.of(demanded)
            item = Item(demand.kind, demand.item)
            return DemandMade(demand.node, demand.epoch, item, demand.author, demand.bond, demand.deadline)
        case event:
            raise AssertionError(f"the topics name no such event: {event}")
