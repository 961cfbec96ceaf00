"""Reservations of running requests. A row exists from admission until the request is charged or released."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Bytes32
from node.store import channels
from node.store.columns import Amount, Count, Text64, Word


class ReservationRow(SQLModel, table=True):
    """The amount that one request reserves on one channel."""

    __tablename__ = "reservation"

    request_id: str = Field(primary_key=True, sa_type=Text64)
    channel_id: Bytes32 = Field(sa_type=Word, foreign_key="channel.channel_id", index=True)
    amount: int = Field(sa_type=Amount)
    admitted_at: int = Field(sa_type=Count)


_T = ReservationRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request holds back on a channel, in base units; `admitted_at` in unix seconds."""

    request_id: str
    channel_id: Bytes32
    amount: int
    admitted_at: int


def make(session: Session, reservation: Reservation) -> bool:
    """Reserves on the channel and stores the reservation. False, without changes, if capacity is too small."""
    if not channels.reserve(session, reservation.channel_id, reservation.amount):
        return False
    values = {name: getattr(reservation, name) for name in ("request_id", "channel_id", "amount", "admitted_at")}
    session.execute(insert(_T), values)
    return True


_TAKE = delete(_T).where(_T.c.request_id == bindparam("which")).returning(_T)


def take(session: Session, request_id: str) -> Reservation | None:
    """Deletes the reservation without releasing it on the channel: the caller must. None if there is none."""
    row = session.execute(_TAKE, {"which": request_id}).mappings().one_or_none()
    return Reservation(**row) if row is not None else None


def end(session: Session, request_id: str) -> Reservation | None:
    """Releases the amount on the channel and deletes the reservation; None if there is none."""
    held = take(session, request_id)
    if held is not None:
        channels.unreserve(session, held.channel_id, held.amount)
    return held


def end_all(session: Session) -> int:
    """Ends the reservations that a dead process left. Returns how many there were."""
    ids = session.scalars(select(_T.c.request_id)).all()
    for request_id in ids:
        end(session, request_id)
    return len(ids)


def count(session: Session) -> int:
    """How many requests hold a reservation."""
    return session.scalar(select(func.count()).select_from(_T)) or 0
