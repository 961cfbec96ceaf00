"""The node's accounts of channels: amounts escrowed, promised, charged, and reserved for running requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, Update, bindparam, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32
from contracts.x402 import ChannelConfig
from node.store.columns import AccountAddress, Amount, Blob, Count, Word, largest, least, minus_or_zero, plus


class ChannelRow(SQLModel, table=True):
    """One channel. signed_max and its signature: the newest voucher, 0 and empty before the first."""

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
    announced: int = Field(sa_type=Amount)
    opened_at: int = Field(sa_type=Count)


_T = ChannelRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_C = _T.c


@dataclass(frozen=True, slots=True)
class Channel:
    """The state of a channel; amounts in base units.

    balance: deposits − withdrawals and refunds (claims do not lower it), as the escrow stood at escrow_block.
    signed_max: the newest voucher's cumulative amount. charged: the sum of its receipts' fees. reserved: the sum that
    running requests hold. announced: what a client that sums up the charges in its answers' headers believes it was
    charged, never less than charged; the difference is its credit.
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
    announced: int
    opened_at: int

    @property
    def credit(self) -> int:
        """What was announced as charged beyond the fees; it lowers what the next charges announce."""
        return self.announced - self.charged


def add(session: Session, channel: Channel) -> None:
    """Stores a new channel."""
    session.execute(insert(_T), _values(channel))


_FIND = select(_T).where(_C.channel_id == bindparam("which"))


def find(session: Session, channel_id: Bytes32) -> Channel | None:
    """The channel; None if it is not stored."""
    row = session.execute(_FIND, {"which": channel_id}).mappings().one_or_none()
    return None if row is None else _channel(row)


def get(session: Session, channel_id: Bytes32) -> Channel:
    """A channel that must be stored; channels are never deleted."""
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
    """All channels in the order of their ids."""
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
    """Stores the escrow's state at a block, unless a later state is stored."""
    values = {
        "balance": balance,
        "pending_withdraw": pending_withdraw,
        "total_claimed": total_claimed,
        "escrow_block": escrow_block,
    }
    newer = (_C.channel_id == channel_id) & (_C.escrow_block <= escrow_block)
    session.execute(update(_T).where(newer).values(values))


def escrow_blocks(session: Session) -> dict[Bytes32, int]:
    """The block at which each channel was last read from the escrow; 0 for one that must be read again."""
    return {row.channel_id: row.escrow_block for row in session.execute(select(_C.channel_id, _C.escrow_block))}


def forget_escrowed_above(session: Session, block_number: int) -> None:
    """Marks the channels that were read above `block_number` to be read again: those blocks left the chain."""
    session.execute(update(_T).where(_C.escrow_block > block_number).values(escrow_block=0))


def leaving(session: Session) -> frozenset[Bytes32]:
    """The channels whose payers withdraw while the escrow still holds something that they owe."""
    query = select(_C.channel_id, _C.balance, _C.charged, _C.total_claimed).where(_C.pending_withdraw > 0)
    rows = session.execute(query)
    return frozenset(row.channel_id for row in rows if min(row.charged, row.balance) > row.total_claimed)


_RAISE = (
    update(_T)
    .where(_C.channel_id == bindparam("which"), _C.signed_max < bindparam("newer"))
    .values(signed_max=bindparam("newer"), signed_max_signature=bindparam("signed"))
)


def raise_signed_max(session: Session, channel_id: Bytes32, signed_max: int, signature: bytes) -> bool:
    """Stores a voucher if its amount exceeds the newest one's. Returns whether it did."""
    return _changed(session, _RAISE, {"which": channel_id, "newer": signed_max, "signed": signature})


_WANTED = bindparam("wanted", type_=Amount())
_RESERVE = (
    update(_T)
    .where(
        _C.channel_id == bindparam("which"),
        plus(_C.charged, _C.reserved, _WANTED) <= least(_C.signed_max, minus_or_zero(_C.balance, _C.pending_withdraw)),
    )
    .values(reserved=plus(_C.reserved, _WANTED))
)


def reserve(session: Session, channel_id: Bytes32, amount: int) -> bool:
    """Reserves `amount` iff charged + reserved + amount ≤ min(signed_max, balance − pending_withdraw).

    Check and reservation are one SQL statement, so no other request can come between them. Returns whether it reserved.
    """
    return _changed(session, _RESERVE, {"which": channel_id, "wanted": amount})


_HELD, _FEE = bindparam("held", type_=Amount()), bindparam("fee", type_=Amount())
_UNRESERVE = (
    update(_T)
    .where(_C.channel_id == bindparam("which"), _C.reserved >= _HELD)
    .values(reserved=minus_or_zero(_C.reserved, _HELD))
)
_MORE = bindparam("more", type_=Amount())
_CHARGE = (
    _UNRESERVE.where(plus(_C.charged, _FEE) <= least(_C.signed_max, _C.balance))
    .values(charged=plus(_C.charged, _FEE), announced=largest(plus(_C.announced, _MORE), plus(_C.charged, _FEE)))
    .returning(_T)
)


def unreserve(session: Session, channel_id: Bytes32, held: int) -> None:
    """Releases a reservation of `held`."""
    assert _changed(session, _UNRESERVE, {"which": channel_id, "held": held}), "more is released than was reserved"


def charge(session: Session, channel_id: Bytes32, *, held: int, fee: int, announce: int = 0) -> Channel | None:
    """Releases `held` and charges `fee` iff charged + fee ≤ min(signed_max, balance). Returns None if it did not.

    announce: what the answer's headers say was charged.
    """
    values = {"which": channel_id, "held": held, "fee": fee, "more": announce}
    row = session.execute(_CHARGE, values).mappings().one_or_none()
    return None if row is None else _channel(row)


def charge_again(session: Session, channel_id: Bytes32, *, cum_before: int, fee: int) -> bool:
    """Charges a receipt that was charged before in another database. Returns whether `charged` was cum_before."""
    mine = (_C.channel_id == channel_id) & (_C.charged == cum_before)
    lifted = largest(_C.announced, bindparam("total", type_=Amount()))
    charged = update(_T).where(mine).values(charged=bindparam("total"), announced=lifted)
    return _changed(session, charged, {"total": cum_before + fee})


_ANNOUNCE = update(_T).where(_C.channel_id == bindparam("which")).values(announced=plus(_C.announced, _MORE))


def announce(session: Session, channel_id: Bytes32, more: int) -> None:
    """Announces `more` base units as charged, before or without a fee of that much."""
    assert _changed(session, _ANNOUNCE, {"which": channel_id, "more": more}), "the channel is not stored"


def _changed(session: Session, statement: Update, values: Mapping[str, object]) -> bool:
    result = session.execute(statement, values)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)


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
    "announced",
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
