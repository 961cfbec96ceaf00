"""Reservations of running requests. A row exists from admission until the request is charged or released."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select, update
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
    voucher_max: int | None = Field(sa_type=Amount)
    announced: int = Field(sa_type=Amount)


_T = ReservationRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request holds back on a channel, in base units; `admitted_at` in unix seconds.

    voucher_max: the amount of the voucher that the request spends; None for one that was signed itself. announced: what
    the headers of its answer said was charged, before the fee was known.
    """

    request_id: str
    channel_id: Bytes32
    amount: int
    admitted_at: int
    voucher_max: int | None = None
    announced: int = 0


def make(session: Session, reservation: Reservation) -> bool:
    """Reserves on the channel and stores the reservation. False, without changes, if capacity is too small."""
    if not channels.reserve(session, reservation.channel_id, reservation.amount):
        return False
    session.execute(insert(_T), {name: getattr(reservation, name) for name in _NAMES})
    return True


_NAMES = ("request_id", "channel_id", "amount", "admitted_at", "voucher_max", "announced")
_SPENDING = select(_T.c.request_id).where(_T.c.channel_id == bindparam("which"), _T.c.voucher_max.is_not(None))


def spends_voucher(session: Session, channel_id: Bytes32) -> bool:
    """Whether a running request on the channel spends a voucher; then the channel is its alone."""
    return session.scalar(_SPENDING.limit(1), {"which": channel_id}) is not None


_ANNOUNCE = update(_T).where(_T.c.request_id == bindparam("which")).values(announced=bindparam("more")).returning(_T)


def announce(session: Session, request_id: str, more: int) -> Reservation | None:
    """Notes what a running request announced as charged, and announces it on the channel. None if it has ended."""
    row = session.execute(_ANNOUNCE, {"which": request_id, "more": more}).mappings().one_or_none()
    if row is None:
        return None
    channels.announce(session, row["channel_id"], more)
    return Reservation(**row)


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
