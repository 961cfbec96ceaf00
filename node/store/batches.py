"""The batches of a ledger. Which receipts a batch holds is decided once, before it is posted."""

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
        """The number of the last receipt in the batch."""
        return self.header.from_seq + self.header.count - 1


def add(session: Session, header: BatchHeader) -> None:
    """Stores the next batch."""
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
    """All batches of a ledger, sorted by epoch."""
    rows = session.execute(select(_T).where(_T.c.node == node).order_by(_T.c.epoch)).mappings()
    return tuple(StoredBatch(BatchHeader.from_json(json.loads(row["header"])), row["header_hash"]) for row in rows)
