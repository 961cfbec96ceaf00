"""Which signed requests were presented already. A nonce is remembered until its deadline, then the deadline refuses."""

from sqlalchemy import delete, insert, select
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


def take(session: Session, channel_id: Bytes32, nonce: int, deadline: int) -> bool:
    """Marks a nonce as used; False if it was."""
    word = nonce.to_bytes(32)
    same = (_T.c.channel_id == channel_id) & (_T.c.nonce == word)
    if session.execute(select(_T.c.nonce).where(same)).first() is not None:
        return False
    session.execute(insert(_T).values(channel_id=channel_id, nonce=word, deadline=deadline))
    return True


def forget(session: Session, before: int) -> None:
    """Drops the nonces whose deadline lies before `before`."""
    session.execute(delete(_T).where(_T.c.deadline < before))
