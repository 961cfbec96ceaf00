"""Follows the contracts' events from a stored cursor, and rolls back events that a reorganisation removed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.crypto import Address, Bytes32, keccak
from node.chain import events
from node.chain.block_logs import block_logs
from node.chain.client import Block, ChainClient, Log
from node.chain.errors import ChainInconsistent
from node.chain.events import ChainEvent
from node.chain.finality import Finality
from node.chain.single_flight import SingleFlight
from node.store import chain_events, meta
from node.store.chain_events import Checkpoint, StoredEvent
from node.store.database import Database
from node.store.reorganisation import roll_back

BLOCK_RANGE = 2_000
RECENT_BLOCKS = 32
"""How many of the newest blocks are read one by one; endpoints behind a load balancer may lack these."""
_ATTEMPTS = 3
_FOLLOWED = "followed events"
"""The name under which the database keeps the fingerprint of the events that it has."""


def wall_clock() -> int:
    """This machine's time in unix seconds."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class WatchedContracts:
    """The contracts to follow, by address, and the node whose events are kept. first_block: where reading begins.

    finality: how far the newest blocks are trusted.
    """

    contracts: Mapping[Address, str]
    node: Address
    first_block: int = 0
    finality: Finality = field(default_factory=Finality)

    def topics(self) -> tuple[Bytes32, ...]:
        """The first topics of every followed event."""
        return tuple(topic for name in self.contracts.values() for topic in events.topics_of(name))

    def fingerprint(self) -> str:
        """Identifies the set of followed events; another version of the node may follow more."""
        return keccak(b"".join(sorted(self.topics()))).hex()


class ChainFollower:
    """The events that are read and stored. Any number of tasks may call `poll` and read the properties."""

    def __init__(
        self, database: Database, client: ChainClient, watch: WatchedContracts, clock: Callable[[], int]
    ) -> None:
        self._database, self._client, self._watch, self._clock = database, client, watch, clock
        self._events: list[ChainEvent] = []
        self._checkpoints: list[Checkpoint] = []
        self._head: Block | None = None
        self._short_since: int | None = None
        self._rescan_from: int | None = None
        self.poll = SingleFlight(self._poll)
        self.changes = (
            0  # grows whenever events are added or removed, so that cached views can tell that they are stale
        )

    @classmethod
    async def open(
        cls, database: Database, client: ChainClient, watch: WatchedContracts, clock: Callable[[], int] = wall_clock
    ) -> "ChainFollower":
        """Reads the stored events and catches up with the chain. clock: unix seconds.

        All blocks are read again if the database was filled by a version that followed other events.
        """
        made = cls(database, client, watch, clock)
        stored = await database.read(chain_events.every)
        made._checkpoints = list(await database.read(chain_events.checkpoints))
        made._events = made._parsed([_log(event) for event in stored])
        followed = watch.fingerprint()
        if made._checkpoints and await database.read(lambda session: meta.get(session, _FOLLOWED)) != followed:
            made._rescan_from = watch.first_block
        await made.poll()
        if made._rescan_from is None:
            await database.write(lambda session: meta.put(session, _FOLLOWED, followed))
        return made

    @property
    def head(self) -> Block:
        """The newest block up to which all events are read."""
        assert self._head is not None, "open() polls before it returns"
        return self._head

    @property
    def events(self) -> Sequence[ChainEvent]:
        """All events in the order of the chain, confirmed or not."""
        return tuple(self._events)

    @property
    def confirmed(self) -> Sequence[ChainEvent]:
        """The events with at least `confirmations` blocks above them."""
        deepest = self.head.number - self._watch.finality.confirmations
        return tuple(event for event in self._events if event.log.block_number <= deepest)

    async def rescan(self, from_block: int) -> bool:
        """Reads the events from `from_block` on again, and returns whether any was added or removed.

        For an endpoint that has left out events. Nothing changes until all are read, and a failed rescan is repeated by
        the next poll.
        """
        self._rescan_from = max(from_block, self._watch.first_block)
        return await self.poll()

    async def _poll(self) -> bool:
        """Reads up to the chain's head. Returns whether any event was added or removed."""
        before = self.changes
        for _ in range(_ATTEMPTS):
            await self._undo_reorganised()
            head = await self._client.head()
            self._check_time(head)
            if head.number < self._position():
                if self._is_lagging():
                    return self.changes != before
                continue
            self._short_since = None
            await self._read_up_to(head)
            if self._checkpoints and self._checkpoints[0].block_hash == head.hash:
                await self._rescan_if_wanted()
                self._head = head
                return self.changes != before
        raise ChainInconsistent("its newest blocks changed while they were read")

    def _position(self) -> int:
        return self._checkpoints[0].block_number if self._checkpoints else self._watch.first_block - 1

    def _check_time(self, head: Block) -> None:
        """Refuses a block from the future: receipts are dated after the head, and prices are read at that time."""
        limit = self._watch.finality.max_ahead_s
        ahead = head.timestamp - self._clock()
        if limit is not None and ahead > limit:
            raise ChainInconsistent(
                f"block {head.number} is dated {ahead} s after this machine's clock; check the clock and the endpoint"
            )

    def _is_lagging(self) -> bool:
        """Whether a head below what was read is taken for an endpoint that lags, and not for a shorter chain."""
        now = self._clock()
        self._short_since = now if self._short_since is None else self._short_since
        return self._head is not None and now - self._short_since < self._watch.finality.lag_s

    async def _read_up_to(self, head: Block) -> None:
        """Reads old blocks in large ranges and the newest ones one by one, by their hashes."""
        while (first := self._position() + 1) <= head.number - RECENT_BLOCKS:
            await self._read_range(first, min(first + BLOCK_RANGE - 1, head.number - RECENT_BLOCKS))
        for number in range(self._position() + 1, head.number + 1):
            block = head if number == head.number else await self._existing(number)
            if block.parent is not None and self._checkpoints and self._checkpoints[0].block_hash != block.parent:
                return  # reorganised since the last block was read
            found = await block_logs(self._client, block, tuple(self._watch.contracts), self._watch.topics())
            await self._store(found, Checkpoint(number, block.hash))

    async def _read_range(self, first: int, last: int) -> None:
        """Stores the events of [first, last], unless block `last` changed meanwhile."""
        end = await self._existing(last)
        found = await self._client.logs(tuple(self._watch.contracts), self._watch.topics(), first, last)
        if await self._existing(last) != end:
            raise ChainInconsistent(f"block {last} changed while its events were read")
        await self._store(found, Checkpoint(last, end.hash))

    async def _existing(self, number: int) -> Block:
        block = await self._client.block(number)
        if block is None:
            raise ChainInconsistent(f"it announced a later block than {number}, but does not have block {number}")
        return block

    async def _store(self, found: Sequence[Log], checkpoint: Checkpoint) -> None:
        kept = self._parsed(found)
        rows = [_row(event.log) for event in kept]
        await self._database.write(lambda session: chain_events.extend(session, rows, checkpoint))
        self._events += kept
        self.changes += bool(kept)
        self._checkpoints = [checkpoint, *self._checkpoints][: chain_events.KEPT_CHECKPOINTS]

    async def _rescan_if_wanted(self) -> None:
        first, end = self._rescan_from, self._checkpoints[0]
        if first is None:
            return
        found: list[Log] = []
        for start in range(first, end.block_number + 1, BLOCK_RANGE):
            last = min(start + BLOCK_RANGE - 1, end.block_number)
            found += await self._client.logs(tuple(self._watch.contracts), self._watch.topics(), start, last)
        if (await self._existing(end.block_number)).hash != end.block_hash:
            raise ChainInconsistent("it was reorganised during the rescan")
        kept = self._parsed(found)
        rows = [_row(event.log) for event in kept]
        await self._database.write(lambda session: chain_events.replace_from(session, first, rows))
        events = [event for event in self._events if event.log.block_number < first] + kept
        self._rescan_from = None
        self.changes += events != self._events
        self._events = events

    async def _undo_reorganised(self) -> None:
        """Rolls back to the newest checkpoint that is still on the chain and takes back what was read after it.

        A checkpoint above the endpoint's head is judged only once the endpoint cannot be lagging any more.
        """
        depth = 0
        for position, checkpoint in enumerate(self._checkpoints):
            block = await self._client.block(checkpoint.block_number)
            if block is None and self._is_lagging():
                return
            if block is not None and block.hash == checkpoint.block_hash:
                break
            depth = position + 1
        if depth == 0:
            return
        self._checkpoints = self._checkpoints[depth:]
        kept = self._position()
        await self._database.write(lambda session: roll_back(session, kept))
        self._events = [event for event in self._events if event.log.block_number <= kept]
        self.changes += 1

    def _parsed(self, logs: Sequence[Log]) -> list[ChainEvent]:
        made = []
        for log in logs:
            event = events.parse(self._watch.contracts[log.address], log)
            if event is not None and events.concerns(event, self._watch.node):
                made.append(ChainEvent(log, event))
        return made


def _row(log: Log) -> StoredEvent:
    return StoredEvent(
        block_number=log.block_number,
        block_hash=log.block_hash,
        log_index=log.log_index,
        transaction_hash=log.transaction_hash,
        address=log.address,
        topics=b"".join(log.topics),
        event_data=log.data,
    )


def _log(row: StoredEvent) -> Log:
    topics = tuple(Bytes32(row.topics[start : start + 32]) for start in range(0, len(row.topics), 32))
    return Log(
        row.block_number, row.block_hash, row.log_index, row.transaction_hash, row.address, topics, row.event_data
    )
