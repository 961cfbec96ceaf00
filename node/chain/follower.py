"""Follows the contracts' events from a stored cursor, and rolls back events that a reorganisation removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.crypto import Address, Bytes32
from node.chain import events
from node.chain.client import Block, ChainClient, Log
from node.chain.events import ChainEvent
from node.chain.single_flight import SingleFlight
from node.store import chain_events
from node.store.chain_events import Checkpoint, StoredEvent
from node.store.database import Database
from node.store.reorganisation import roll_back

BLOCK_RANGE = 2_000


@dataclass(frozen=True, slots=True)
class WatchedContracts:
    """The contracts to follow, by address, and the node whose events are kept. first_block: where reading begins.

    confirmations: how many blocks must lie above an event before the node relies on it.
    """

    contracts: Mapping[Address, str]
    node: Address
    first_block: int = 0
    confirmations: int = 0

    def topics(self) -> tuple[Bytes32, ...]:
        """The first topics of every followed event."""
        return tuple(topic for name in self.contracts.values() for topic in events.topics_of(name))


class ChainFollower:
    """The events that are read and stored. Any number of tasks may call `poll` and read the properties."""

    def __init__(self, database: Database, client: ChainClient, watch: WatchedContracts) -> None:
        self._database, self._client, self._watch = database, client, watch
        self._events: list[ChainEvent] = []
        self._checkpoints: list[Checkpoint] = []
        self._head: Block | None = None
        self.poll = SingleFlight(self._poll)
        self.changes = (
            0  # grows whenever events are added or removed, so that cached views can tell that they are stale
        )

    @classmethod
    async def open(cls, database: Database, client: ChainClient, watch: WatchedContracts) -> "ChainFollower":
        """Reads the stored events and catches up with the chain."""
        made = cls(database, client, watch)
        stored = await database.read(chain_events.every)
        made._checkpoints = list(await database.read(chain_events.checkpoints))
        made._events = made._parsed([_log(event) for event in stored])
        await made.poll()
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
        deepest = self.head.number - self._watch.confirmations
        return tuple(event for event in self._events if event.log.block_number <= deepest)

    async def _poll(self) -> bool:
        """Reads up to the chain's head. Returns whether any event was added or removed."""
        changed = await self._undo_reorganised()
        head = await self._client.head()
        while (position := self._position()) < head.number:
            changed |= await self._read(position + 1, min(position + BLOCK_RANGE, head.number))
        if self._checkpoints and self._checkpoints[0].block_hash != head.hash:
            return await self._poll()  # the chain was reorganised between two of these calls
        self._head = head
        return changed

    def _position(self) -> int:
        return self._checkpoints[0].block_number if self._checkpoints else self._watch.first_block - 1

    async def _read(self, first: int, last: int) -> bool:
        """Stores the events of [first, last] and a checkpoint at `last`, unless block `last` changed meanwhile."""
        end = await self._client.block(last)
        found = await self._client.logs(tuple(self._watch.contracts), self._watch.topics(), first, last)
        if end is None or await self._client.block(last) != end:
            await self._undo_reorganised()
            return True
        checkpoint = Checkpoint(last, end.hash)
        kept = self._parsed(found)
        rows = [_row(event.log) for event in kept]
        await self._database.write(lambda session: chain_events.extend(session, rows, checkpoint))
        self._events += kept
        self.changes += bool(kept)
        self._checkpoints = [checkpoint, *self._checkpoints][: chain_events.KEPT_CHECKPOINTS]
        return bool(kept)

    async def _undo_reorganised(self) -> bool:
        """Rolls back to the newest checkpoint that is still on the chain and deletes the events after it."""
        depth = 0
        for checkpoint in self._checkpoints:
            block = await self._client.block(checkpoint.block_number)
            if block is not None and block.hash == checkpoint.block_hash:
                break
            depth += 1
        if depth == 0:
            return False
        self._checkpoints = self._checkpoints[depth:]
        kept = self._position()
        await self._database.write(lambda session: roll_back(session, kept))
        self._events = [event for event in self._events if event.log.block_number <= kept]
        self.changes += 1
        return True

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
