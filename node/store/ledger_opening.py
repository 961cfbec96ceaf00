"""Opens the ledger of a vault: the database belongs to it, and has every receipt that this home signed for it."""

import asyncio
from pathlib import Path

from sqlalchemy.orm import Session

from contracts.crypto import Address
from node.store import ledger, meta
from node.store.database import Database
from node.store.errors import LedgerBehind, MarkMissing
from node.store.guards import MarkGuard
from node.store.seq_mark import SeqMark, mark_path

MARK = "high-water mark"
"""The name under which the database keeps the id of its mark."""


async def open_ledger(database: Database, home: Path, vault: Address) -> SeqMark:
    """Binds `database` to `vault` and to the high-water mark in `home`, which every later commit raises.

    The first start writes the mark. Raises WrongVault, LedgerBehind, MarkMissing, MarkDamaged, or OSError if the mark
    cannot be written.
    """
    held, mark_id = await database.write(lambda session: _bound(session, vault))
    mark = await asyncio.to_thread(_checked, home, vault, held, mark_id)
    if mark_id is None:
        await database.write(lambda session: meta.put(session, MARK, mark.mark_id))
    database.guard(MarkGuard(vault, mark))
    return mark


def _bound(session: Session, vault: Address) -> tuple[int, str | None]:
    """How many receipts the ledger has, and the id of its mark."""
    meta.pin_vault(session, vault)
    return ledger.head(session, vault).last_seq, meta.get(session, MARK)


def _checked(home: Path, vault: Address, held: int, mark_id: str | None) -> SeqMark:
    """The mark, raised to what the database has. A crash between a commit and its mark leaves the mark behind."""
    mark = SeqMark.open(home, vault)
    if mark is None:
        if mark_id is not None:
            raise MarkMissing(vault, mark_path(home, vault), held)
        return SeqMark.create(home, vault, held)
    if held < mark.value:
        raise LedgerBehind(vault, held, mark.value)
    if mark_id not in (None, mark.mark_id):
        raise MarkMissing(vault, mark.path, held)
    mark.raise_to(held)
    return mark
