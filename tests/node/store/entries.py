"""Named rows that tests of the database write and read back."""

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from node.store.meta import MetaRow

META = MetaRow.__table__


def put(session: Session, name: str, value: str = "x") -> None:
    session.execute(insert(META).values(name=name, value=value))


def names(session: Session) -> list[str]:
    return sorted(session.scalars(select(META.c.name)).all())
