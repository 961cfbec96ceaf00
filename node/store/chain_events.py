"""The chain's events by block, and the checkpoints up to which they are stored."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from node.store.settlement_tables import ChainEventRow, CheckpointRow

_E = ChainEventRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_P = CheckpointRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
KEPT_CHECKPOINTS = 256


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event. topics: the concatenated 32-byte topics."""

    block_number: int
    block_hash: Bytes32
    log_index: int
    transaction_hash: Bytes32
    address: Address
    topics: bytes
    event_data: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All events up to and including this block are stored."""

    block_number: int
    block_hash: Bytes32


_COLUMNS = tuple(StoredEvent.__slots__)


def every(session: Session) -> tuple[StoredEvent, ...]:
    """All events in the order of the chain."""
    query = select(_E).order_by(_E.c.block_number, _E.c.log_index)
    rows = session.execute(query).mappings()
    return tuple(StoredEvent(**{name: row[name] for name in _COLUMNS}) for row in rows)


def checkpoints(session: Session) -> tuple[Checkpoint, ...]:
    """The kept checkpoints, newest first."""
    rows = session.execute(select(_P).order_by(_P.c.block_number.desc())).mappings()
    return tuple(Checkpoint(row["block_number"], row["block_hash"]) for row in rows)


def extend(session: Session, events: Iterable[StoredEvent], checkpoint: Checkpoint) -> None:
    """Stores the events up to `checkpoint`, which becomes the cursor."""
    _insert(session, events)
    session.execute(insert(_P).values(block_number=checkpoint.block_number, block_hash=checkpoint.block_hash))
    surplus = select(_P.c.block_number).order_by(_P.c.block_number.desc()).offset(KEPT_CHECKPOINTS).limit(1)
    oldest = session.scalar(surplus)
    if oldest is not None:
        session.execute(delete(_P).where(_P.c.block_number <= oldest))


def roll_back(session: Session, block_number: int) -> None:
    """Deletes all events and checkpoints above `block_number`."""
    session.execute(delete(_E).where(_E.c.block_number > block_number))
    session.execute(delete(_P).where(_P.c.block_number > block_number))


def replace_from(session: Session, block_number: int, events: Iterable[StoredEvent]) -> None:
    """Replaces all events from `block_number` on. The checkpoints stay."""
    session.execute(delete(_E).where(_E.c.block_number >= block_number))
    _insert(session, events)


def _insert(session: Session, events: Iterable[StoredEvent]) -> None:
    rows = [{name: getattr(event, name) for name in _COLUMNS} for event in events]
    if rows:
        session.execute(insert(_E), rows)
