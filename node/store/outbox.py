"""Outgoing transactions. An intent is stored before it is signed, and signed bytes before they are broadcast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from node.store.settlement_tables import AttemptRow, NonceLaneRow, TransactionRow

_T = TransactionRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_A = AttemptRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_L = NonceLaneRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class State(StrEnum):
    """The state of a transaction. A failed intent may be submitted again."""

    INTENDED = "intended"  # stored, without a nonce
    SIGNED = "signed"  # it has a nonce, and its signed bytes are stored
    BROADCAST = "broadcast"  # sent to the chain, not known to be mined
    MINED = "mined"  # in a block that may still be reorganised
    FINAL = "final"  # enough blocks lie above it
    FAILED = "failed"  # the contract refused it, or it was cancelled


OPEN_STATES = (State.INTENDED, State.SIGNED, State.BROADCAST, State.MINED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Signed bytes of a transaction; fees in wei per gas, signed_at in unix seconds."""

    transaction_hash: Bytes32
    raw: bytes
    max_fee: int
    tip: int
    signed_at: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One transaction. failure: why it failed or why it waits; times in unix seconds; gas_price in wei per gas."""

    transaction_id: int
    intent: str
    sender: Address
    to: Address
    call_data: bytes
    state: State
    nonce: int | None
    gas: int | None
    failure: str | None
    mined_hash: Bytes32 | None
    block_number: int | None
    block_hash: Bytes32 | None
    gas_used: int | None
    gas_price: int | None
    created_at: int
    changed_at: int
    attempts: tuple[Attempt, ...] = ()

    @property
    def hash(self) -> Bytes32 | None:
        """The hash of the mined attempt, else of the newest attempt; None before the first."""
        return self.mined_hash or (self.attempts[-1].transaction_hash if self.attempts else None)


_COLUMNS = tuple(name for name in Outgoing.__slots__ if name != "attempts")
_NOT_MINED = dict.fromkeys(("failure", "mined_hash", "block_number", "block_hash", "gas_used", "gas_price"))


def intend(session: Session, *, intent: str, sender: Address, to: Address, call_data: bytes, now: int) -> Outgoing:
    """The transaction of an intent, created if it does not exist. A failed one starts again with this call."""
    found = find(session, intent)
    if found is None:
        values = {"intent": intent, "sender": sender, "to": to, "call_data": call_data, "state": State.INTENDED}
        session.execute(insert(_T).values(**values, created_at=now, changed_at=now))
    elif found.state is State.FAILED:
        restart(session, found.transaction_id, now, to=to, call_data=call_data)
    made = find(session, intent)
    assert made is not None
    return made


def cancel(session: Session, intent: str, now: int) -> bool:
    """Cancels an intent that has no nonce yet. Returns whether there was one."""
    waiting = (_T.c.intent == intent) & (_T.c.state == State.INTENDED)
    values = {"state": State.FAILED, "failure": "cancelled", "changed_at": now}
    result: Any = session.execute(update(_T).where(waiting).values(**values))
    return bool(result.rowcount)


def is_waiting(session: Session, transaction_id: int) -> bool:
    """Whether a transaction is an intent without a nonce, and neither cancelled nor signed."""
    waiting = (_T.c.transaction_id == transaction_id) & (_T.c.state == State.INTENDED)
    return session.scalar(select(_T.c.transaction_id).where(waiting)) is not None


def restart(session: Session, transaction_id: int, now: int, **values: object) -> Outgoing:
    """Resets a transaction to its intent: it gets a new nonce, and its old attempts are deleted."""
    session.execute(_A.delete().where(_A.c.transaction_id == transaction_id))
    cleared = {"nonce": None, "gas": None, **_NOT_MINED}
    return change(session, transaction_id, State.INTENDED, now, **(cleared | values))


def _lost(sender: Address, mined: int) -> ColumnElement[bool]:
    settled = _T.c.state.in_((State.MINED, State.FINAL, State.FAILED))
    lost: ColumnElement[bool] = (_T.c.sender == sender) & (_T.c.nonce >= mined) & settled
    return lost


def has_lost(session: Session, sender: Address, mined: int) -> bool:
    """Whether the chain, which has mined `mined` transactions of this key, has lost one."""
    return session.scalar(select(_T.c.transaction_id).where(_lost(sender, mined)).limit(1)) is not None


def reopen(session: Session, sender: Address, mined: int, now: int) -> None:
    """Marks transactions as broadcast again whose nonces, according to the chain now, are not mined."""
    forgotten = _lost(sender, mined)
    session.execute(update(_T).where(forgotten).values(state=State.BROADCAST, changed_at=now, **_NOT_MINED))


def reopen_above(session: Session, block_number: int) -> None:
    """Marks transactions as broadcast again whose blocks, above `block_number`, left the chain."""
    mined = _T.c.state.in_((State.MINED, State.FINAL, State.FAILED))
    session.execute(
        update(_T).where(mined & (_T.c.block_number > block_number)).values(state=State.BROADCAST, **_NOT_MINED)
    )


def find(session: Session, intent: str) -> Outgoing | None:
    """The transaction of an intent; None if there is none."""
    found = _many(session, _T.c.intent == intent)
    return found[0] if found else None


def unfinished(session: Session, sender: Address) -> tuple[Outgoing, ...]:
    """The transactions that are neither final nor failed: by nonce, then intents in the order of submission."""
    found = _many(session, (_T.c.sender == sender) & _T.c.state.in_(OPEN_STATES))
    return tuple(sorted(found, key=lambda sent: (sent.nonce is None, sent.nonce or 0, sent.transaction_id)))


def recent(session: Session, sender: Address, limit: int) -> tuple[Outgoing, ...]:
    """The transactions that are open or were changed last, newest first; every open one, and `limit` in all others."""
    newest = select(_T.c.transaction_id).where(_T.c.sender == sender).order_by(_T.c.changed_at.desc()).limit(limit)
    chosen = (_T.c.sender == sender) & (_T.c.state.in_(OPEN_STATES) | _T.c.transaction_id.in_(newest))
    return tuple(sorted(_many(session, chosen), key=lambda sent: (sent.changed_at, sent.transaction_id), reverse=True))


def latest(session: Session, sender: Address, prefix: str) -> Outgoing | None:
    """The newest transaction whose intent starts with `prefix`."""
    found = _many(session, (_T.c.sender == sender) & _T.c.intent.startswith(prefix, autoescape=True))
    return max(found, key=lambda sent: sent.transaction_id, default=None)


def next_nonce(session: Session, sender: Address) -> int | None:
    """The nonce after the highest that was given out for a key; None if none was."""
    return session.scalar(select(_L.c.next_nonce).where(_L.c.sender == sender))


def take_nonce(session: Session, sender: Address, mined: int) -> int:
    """Takes the next nonce of a key; never one below `mined`, the chain's count of mined transactions."""
    kept = next_nonce(session, sender)
    nonce = max(kept or 0, mined)
    if kept is None:
        session.execute(insert(_L).values(sender=sender, next_nonce=nonce + 1))
    else:
        session.execute(update(_L).where(_L.c.sender == sender).values(next_nonce=nonce + 1))
    return nonce


def nonce_gap(session: Session, sender: Address, mined: int) -> int | None:
    """The lowest nonce from `mined` on that no transaction has, though a later one was taken; None without a gap.

    The chain mines nothing of this key beyond a gap.
    """
    given = next_nonce(session, sender)
    taken = set(session.scalars(select(_T.c.nonce).where((_T.c.sender == sender) & (_T.c.nonce >= mined))))
    first = next(nonce for nonce in count(mined) if nonce not in taken)
    return first if given is not None and given > first else None


def renumber(session: Session, sender: Address, first: int, now: int) -> int:
    """Gives back every nonce from `first` on: their transactions are intents again. Returns how many there were."""
    numbered = [sent for sent in unfinished(session, sender) if sent.nonce is not None and sent.nonce >= first]
    for sent in numbered:
        restart(session, sent.transaction_id, now)
    session.execute(update(_L).where(_L.c.sender == sender).values(next_nonce=first))
    return len(numbered)


def add_attempt(session: Session, transaction_id: int, attempt: Attempt) -> None:
    """Stores the signed bytes of a transaction before they are sent."""
    values = {name: getattr(attempt, name) for name in Attempt.__slots__}
    session.execute(insert(_A).values(transaction_id=transaction_id, **values))


def change(session: Session, transaction_id: int, state: State, now: int, **values: object) -> Outgoing:
    """Sets the state and the given columns of a transaction."""
    mine = _T.c.transaction_id == transaction_id
    session.execute(update(_T).where(mine).values(state=state, changed_at=now, **values))
    return _many(session, mine)[0]


def advance(session: Session, read: Outgoing, state: State, now: int, **values: object) -> Outgoing:
    """Changes a transaction unless somebody else changed its state or nonce since it was read. Returns it as it is."""
    same_nonce = _T.c.nonce.is_(None) if read.nonce is None else _T.c.nonce == read.nonce
    same = (_T.c.transaction_id == read.transaction_id) & (_T.c.state == read.state) & same_nonce
    session.execute(update(_T).where(same).values(state=state, changed_at=now, **values))
    return _many(session, _T.c.transaction_id == read.transaction_id)[0]


def _many(session: Session, where: ColumnElement[bool]) -> list[Outgoing]:
    rows = session.execute(select(_T).where(where)).mappings().all()
    attempts = _attempts(session, [row["transaction_id"] for row in rows])
    return [_outgoing(row, attempts.get(row["transaction_id"], ())) for row in rows]


def _attempts(session: Session, ids: Sequence[int]) -> dict[int, tuple[Attempt, ...]]:
    made: dict[int, tuple[Attempt, ...]] = {}
    query = select(_A).where(_A.c.transaction_id.in_(ids)).order_by(_A.c.max_fee)
    for row in session.execute(query).mappings():
        attempt = Attempt(**{name: row[name] for name in Attempt.__slots__})
        made[row["transaction_id"]] = (*made.get(row["transaction_id"], ()), attempt)
    return made


def _outgoing(row: Mapping[Any, Any], attempts: tuple[Attempt, ...]) -> Outgoing:
    values = {name: row[name] for name in _COLUMNS} | {"state": State(row["state"])}
    return Outgoing(**values, attempts=attempts)
