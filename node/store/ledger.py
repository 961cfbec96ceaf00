"""The head of each node's ledger: the number of the last receipt, and when it finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import CursorResult, bindparam, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address
from node.store.columns import AccountAddress, Amount, Count


class LedgerRow(SQLModel, table=True):
    """One node (vault)."""

    __tablename__ = "ledger"

    node: Address = Field(primary_key=True, sa_type=AccountAddress)
    last_seq: int = Field(sa_type=Count)
    last_finished_at: int = Field(sa_type=Count)
    charged: int = Field(sa_type=Amount)


_T = LedgerRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class Head:
    """Receipts 1 to last_seq exist; their fees sum to `charged`; none finished after last_finished_at (unix s)."""

    last_seq: int
    last_finished_at: int
    charged: int


_HEAD = select(_T).where(_T.c.node == bindparam("which"))
_ADVANCE = (
    update(_T)
    .where(
        _T.c.node == bindparam("which"),
        _T.c.last_seq == bindparam("seq") - 1,
        _T.c.last_finished_at <= bindparam("finished"),
    )
    .values(last_seq=bindparam("seq"), last_finished_at=bindparam("finished"), charged=bindparam("total"))
)


def head(session: Session, node: Address) -> Head:
    """The head of a ledger; all zeros before its first receipt."""
    row = session.execute(_HEAD, {"which": node}).mappings().one_or_none()
    return Head(0, 0, 0) if row is None else Head(row["last_seq"], row["last_finished_at"], row["charged"])


def advance(session: Session, node: Address, head: Head) -> None:
    """Replaces the head. The number must follow the last number, and the time must not decrease."""
    given = {"which": node, "seq": head.last_seq, "finished": head.last_finished_at, "total": head.charged}
    result = session.execute(_ADVANCE, given)
    assert isinstance(result, CursorResult)
    if result.rowcount == 0:
        assert head.last_seq == 1, f"receipt {head.last_seq} does not follow"
        values = {"last_seq": head.last_seq, "last_finished_at": head.last_finished_at, "charged": head.charged}
        session.execute(insert(_T), {"node": node, **values})
    set_advanced(session, {**advanced(session), node: head.last_seq})


_ADVANCED = "ledger.advanced"


def advanced(session: Session) -> Mapping[Address, int]:
    """The newest number of each ledger that this session has advanced, for the guards of its commit."""
    return cast(Mapping[Address, int], session.info.get(_ADVANCED, {}))


def set_advanced(session: Session, numbers: Mapping[Address, int]) -> None:
    """Replaces what `advanced` returns, as after a savepoint was rolled back."""
    session.info[_ADVANCED] = numbers


def every(session: Session) -> dict[Address, Head]:
    """The heads of all ledgers in this database; a database keeps one."""
    rows = session.execute(select(_T)).mappings()
    return {row["node"]: Head(row["last_seq"], row["last_finished_at"], row["charged"]) for row in rows}
