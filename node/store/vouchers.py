"""The vouchers that receipts name. They are evidence for as long as a batch can be challenged."""

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Bytes32
from node.store.columns import Amount, Blob, Word


class VoucherRow(SQLModel, table=True):
    """A voucher that at least one receipt names by its `voucherMax`."""

    __tablename__ = "voucher"

    channel_id: Bytes32 = Field(primary_key=True, sa_type=Word, foreign_key="channel.channel_id")
    max_claimable_amount: int = Field(primary_key=True, sa_type=Amount)
    signature: bytes = Field(sa_type=Blob)


_T = VoucherRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class KeptVoucher:
    """A voucher: a cumulative amount in base units and the payer's signature."""

    channel_id: Bytes32
    max_claimable_amount: int
    signature: bytes


_FIND = select(_T.c.signature).where(
    _T.c.channel_id == bindparam("which"), _T.c.max_claimable_amount == bindparam("amount")
)


def keep(session: Session, voucher: KeptVoucher) -> None:
    """Stores a voucher unless its channel already has one of the same amount."""
    if find(session, voucher.channel_id, voucher.max_claimable_amount) is None:
        values = {name: getattr(voucher, name) for name in ("channel_id", "max_claimable_amount", "signature")}
        session.execute(insert(_T), values)


def find(session: Session, channel_id: Bytes32, max_claimable_amount: int) -> KeptVoucher | None:
    """The voucher of this amount; None if it is not kept."""
    signature = session.scalar(_FIND, {"which": channel_id, "amount": max_claimable_amount})
    return None if signature is None else KeptVoucher(channel_id, max_claimable_amount, signature)
