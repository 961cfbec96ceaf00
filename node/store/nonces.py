"""Nonces of signed requests that were used. After its deadline a request is refused anyway, so its nonce is deleted."""

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Bytes32
from node.store.columns import Count, Word


class NonceRow(SQLModel, table=True):
    """A nonce of one channel, as a 32-byte word."""

    __tablename__ = "nonce"

    channel_id: Bytes32 = Field(primary_key=True, sa_type=Word)
    nonce: Bytes32 = Field(primary_key=True, sa_type=Word)
    deadline: int = Field(sa_type=Count, index=True)


_T = NonceRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


_USED = select(_T.c.nonce).where(_T.c.channel_id == bindparam("which"), _T.c.nonce == bindparam("given"))


def used(session: Session, channel_id: Bytes32, nonce: int) -> bool:
    """Whether a signed request with this nonce was admitted."""
    return session.execute(_USED, {"which": channel_id, "given": nonce.to_bytes(32)}).first() is not None


def use(session: Session, channel_id: Bytes32, nonce: int, deadline: int) -> None:
    """Marks an unused nonce as used."""
    values = {"channel_id": channel_id, "nonce": nonce.to_bytes(32), "deadline": deadline}
    session.execute(insert(_T), values)


def forget(session: Session, before: int) -> None:
    """Deletes the nonces whose deadline is before `before` (unix seconds)."""
    session.execute(delete(_T).where(_T.c.deadline < before))
