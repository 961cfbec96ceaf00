"""Channels as the node accounts for them: what is escrowed, promised, charged and held back for running requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, insert, literal, select, update
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32
from contracts.x402 import ChannelConfig
from node.store.columns import AccountAddress, Amount, Blob, Count, Word, least, minus_or_zero, plus


class ChannelRow(SQLModel, table=True):
    """One channel. `signed_max` and its signature are the newest voucher; 0 and empty before the first."""

    __tablename__ = "channel"

    channel_id: Bytes32 = Field(primary_key=True, sa_type=Word)
    payer: Address = Field(sa_type=AccountAddress, index=True)
    payer_authorizer: Address = Field(sa_type=AccountAddress)
    receiver: Address = Field(sa_type=AccountAddress)
    receiver_authorizer: Address = Field(sa_type=AccountAddress)
    token: Address = Field(sa_type=AccountAddress)
    withdraw_delay: int = Field(sa_type=Count)
    salt: Bytes32 = Field(sa_type=Word)
    balance: int = Field(sa_type=Amount)
    pending_withdraw: int = Field(sa_type=Amount)
    total_claimed: int = Field(sa_type=Amount)
    escrow_block: int = Field(sa_type=Count)
    signed_max: int = Field(sa_type=Amount)
    signed_max_signature: bytes = Field(sa_type=Blob)
    charged: int = Field(sa_type=Amount)
    reserved: int = Field(sa_type=Amount)
    opened_at: int = Field(sa_type=Count)


_T = ChannelRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_C = _T.c


@dataclass(frozen=True, slots=True)
class Channel:
    """The state of a channel; amounts in base units.

    balance: deposits − withdrawals and refunds (claims do not lower it), as the escrow stood at escrow_block.
    signed_max: the newest voucher's cumulative amount. charged: Σ fees of its receipts. reserved: Σ held back for
    requests in flight.
    """

    channel_id: Bytes32
    config: ChannelConfig
    balance: int
    pending_withdraw: int
    total_claimed: int
    escrow_block: int
    signed_max: int
    signed_max_signature: bytes
    charged: int
    reserved: int
    opened_at: int


def add(session: Session, channel: Channel) -> None:
    """Stores a channel that is not stored yet."""
    session.execute(insert(_T).values(_values(channel)))


def find(session: Session, channel_id: Bytes32) -> Channel | None:
    return _one(session, select(_T).where(_C.channel_id == channel_id))


def get(session: Session, channel_id: Bytes32) -> Channel:
    """A channel that is known to be stored: channels are never deleted."""
    channel = find(session, channel_id)
    assert channel is not None, f"channel 0x{channel_id.hex()} is not stored"
    return channel


def of_payer(session: Session, payer: Address, after: Bytes32 | None, limit: int) -> tuple[Channel, ...]:
    """A page of the payer's channels in the order of their ids."""
    query = select(_T).where(_C.payer == payer).order_by(_C.channel_id).limit(limit)
    if after is not None:
        query = query.where(_C.channel_id > after)
    return tuple(_channel(row) for row in session.execute(query).mappings())


def every(session: Session) -> tuple[Channel, ...]:
    return tuple(_channel(row) for row in session.execute(select(_T).order_by(_C.channel_id)).mappings())


def set_escrowed(
    session: Session,
    channel_id: Bytes32,
    *,
    balance: int,
    pending_withdraw: int,
    total_claimed: int,
    escrow_block: int,
) -> None:
    """Takes over what the escrow said at a block, unless a later word is known."""
    values = {
        "balance": balance,
        "pending_withdraw": pending_withdraw,
        "total_claimed": total_claimed,
        "escrow_block": escrow_block,
    }
    newer = (_C.channel_id == channel_id) & (_C.escrow_block <= escrow_block)
    session.execute(update(_T).where(newer).values(values))


def raise_signed_max(session: Session, channel_id: Bytes32, signed_max: int, signature: bytes) -> bool:
    """Keeps a voucher if it promises more than the newest one; whether it did."""
    newer = (_C.channel_id == channel_id) & (_C.signed_max < signed_max)
    values = {"signed_max": signed_max, "signed_max_signature": signature}
    return _changed(session, update(_T).where(newer).values(values))


def reserve(session: Session, channel_id: Bytes32, amount: int) -> bool:
    """Holds `amount` back iff charged + reserved + amount ≤ min(signed_max, balance − pending_withdraw).

    One statement: rule and reservation cannot come apart.
    """
    wanted = literal(amount, Amount())
    ceiling = least(_C.signed_max, minus_or_zero(_C.balance, _C.pending_withdraw))
    fits = plus(_C.charged, _C.reserved, wanted) <= ceiling
    changed = update(_T).where(_C.channel_id == channel_id, fits).values(reserved=plus(_C.reserved, wanted))
    return _changed(session, changed)


def unreserve(session: Session, channel_id: Bytes32, amount: int) -> None:
    """Gives `amount` back to the channel's capacity."""
    held = literal(amount, Amount())
    mine = (_C.channel_id == channel_id) & (_C.reserved >= held)
    changed = update(_T).where(mine).values(reserved=minus_or_zero(_C.reserved, held))
    assert _changed(session, changed), "more is released than was reserved"


def charge(session: Session, channel_id: Bytes32, fee: int) -> bool:
    """charged += fee iff that stays within min(signed_max, balance); whether it did."""
    due = literal(fee, Amount())
    fits = plus(_C.charged, due) <= least(_C.signed_max, _C.balance)
    changed = update(_T).where(_C.channel_id == channel_id, fits).values(charged=plus(_C.charged, due))
    return _changed(session, changed)


def _changed(session: Session, statement: Any) -> bool:
    result: Any = session.execute(statement)
    return bool(result.rowcount)


def _one(session: Session, query: Select[Any]) -> Channel | None:
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else _channel(row)


_CONFIG = ("payer", "payer_authorizer", "receiver", "receiver_authorizer", "token", "withdraw_delay", "salt")
_STATE = (
    "balance",
    "pending_withdraw",
    "total_claimed",
    "escrow_block",
    "signed_max",
    "signed_max_signature",
    "charged",
    "reserved",
    "opened_at",
)


def _channel(row: Mapping[Any, Any]) -> Channel:
    return Channel(
        channel_id=row["channel_id"],
        config=ChannelConfig(**{name: row[name] for name in _CONFIG}),
        **{name: row[name] for name in _STATE},
    )


def _values(channel: Channel) -> dict[str, object]:
    values: dict[str, object] = {"channel_id": channel.channel_id}
    values |= {name: getattr(channel.config, name) for name in _CONFIG}
    return values | {name: getattr(channel, name) for name in _STATE}
