"""The batches of a ledger: which receipts each holds, decided once and before it is posted."""

import json
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from contracts.structs import BatchHeader
from node.store.settlement_tables import BatchRow

_T = BatchRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A header and its hash."""

    header: BatchHeader
    header_hash: Bytes32

    @property
    def last_seq(self) -> int:
        return self.header.from_seq + self.header.count - 1


def add(session: Session, header: BatchHeader) -> None:
    """Fixes the cut of the next batch."""
    session.execute(
        insert(_T).values(
            node=header.node,
            epoch=header.epoch,
            from_seq=header.from_seq,
            count=header.count,
            header_hash=header.struct_hash(),
            header=json.dumps(header.to_json(), separators=(",", ":")),
        )
    )


def every(session: Session, node: Address) -> tuple[StoredBatch, ...]:
    """All batches of a ledger, by epoch."""
    rows = session.execute(select(_T).where(_T.c.node == node).order_by(_T.c.epoch)).mappings()
    return tuple(StoredBatch(BatchHeader.from_json(json.loads(row["header"])), row["header_hash"]) for row in rows)
