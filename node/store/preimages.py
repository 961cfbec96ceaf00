"""Price lists and terms that receipts name by hash. With them a batch can be rebuilt from this database alone."""

import json
from typing import TypeVar

from sqlalchemy import Text, bindparam, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Bytes32
from contracts.eip712 import Struct
from node.store.columns import Word


class PreimageRow(SQLModel, table=True):
    """A struct as JSON under its EIP-712 struct hash."""

    __tablename__ = "preimage"

    struct_hash: Bytes32 = Field(primary_key=True, sa_type=Word)
    document: str = Field(sa_type=Text)


_T = PreimageRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_S = TypeVar("_S", bound=Struct)


_FIND = select(_T.c.document).where(_T.c.struct_hash == bindparam("which"))


def keep(session: Session, struct_hash: Bytes32, struct: Struct) -> None:
    """Stores a struct unless it is stored already."""
    if session.scalar(_FIND, {"which": struct_hash}) is None:
        document = json.dumps(struct.to_json(), separators=(",", ":"))
        session.execute(insert(_T), {"struct_hash": struct_hash, "document": document})


def find(session: Session, kind: type[_S], struct_hash: Bytes32) -> _S | None:
    """The struct with this hash; None if it is not stored."""
    document = session.scalar(_FIND, {"which": struct_hash})
    return None if document is None else kind.from_json(json.loads(document))
