"""Makes, checks and restores backups of a ledger, so that no receipt number can be signed twice.

The caller owns the home while it restores. Nothing in the home changes before the new database was checked whole.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from contracts.crypto import Address
from node.settlement.ledger_audit import LedgerAudit, audit
from node.store import backup, ledger, meta, rebuild
from node.store.database import Database
from node.store.errors import BackupRefused, LedgerBehind
from node.store.ledger_opening import MARK
from node.store.seq_mark import SeqMark

_STAGED = ".restoring"


@dataclass(frozen=True, slots=True)
class Restored:
    """audit: what the database holds now. added: receipts that came from public files.

    kept: where the database that was replaced is, None if there was none. mark: the high-water mark of the home.
    """

    audit: LedgerAudit
    added: int
    kept: Path | None
    mark: int


async def create(url: str, target: Path) -> LedgerAudit:
    """Copies the database to `target` and checks the copy. A node may run. Raises BackupRefused or LedgerBroken."""
    source = backup.database_file(url)
    await asyncio.to_thread(backup.copy, source, target)
    return await verify(target)


async def verify(file: Path) -> LedgerAudit:
    """Rebuilds the ledger in a backup, which is not changed. Raises BackupRefused or LedgerBroken."""
    with tempfile.TemporaryDirectory(dir=file.parent if file.parent.is_dir() else None) as folder:
        working = Path(folder) / "working.db"
        await asyncio.to_thread(backup.copy, file, working)
        return await _audited(working)


async def restore(home: Path, url: str, file: Path | None, batches: Sequence[Path], last_seq: int | None) -> Restored:
    """Puts a backup, completed from the public files of batches, in the place of the database.

    file: None to rebuild from the files alone. last_seq: the newest number that anybody holds a receipt of, which the
    operator must state if the home has no high-water mark. Raises LedgerBehind if receipts would be missing, also
    BackupRefused, WrongVault and LedgerBroken; the database of the home is then as it was.
    """
    if file is None and not batches:
        raise BackupRefused("There is nothing to restore: give a backup, receipts files, or both.")
    place = backup.database_file(url)
    staged = place.with_name(place.name + _STAGED)
    backup.remove(staged)
    if file is not None:
        await asyncio.to_thread(backup.copy, file, staged)
    try:
        added = await _completed(staged, batches)
        found = await _audited(staged)
        if found.vault is None:
            raise BackupRefused("There is no ledger in the backup: it has no receipts, and no vault.")
        mark = await _marked(home, staged, found.vault, found.receipts, last_seq)
    except BaseException:
        backup.remove(staged)
        raise
    return Restored(found, added, backup.put_in_place(staged, place), mark)


async def set_mark(home: Path, url: str, last_seq: int) -> int:
    """Writes or raises the high-water mark of the home's database; returns it. The node then starts only at it."""
    place = backup.database_file(url)
    if not place.is_file():
        raise BackupRefused(f"There is no database at {place}.")
    database = await Database.open(url)
    try:
        vault, held = await database.read(_head)
        if vault is None:
            raise BackupRefused(f"The database at {place} belongs to no vault yet, so there is nothing to mark.")
        return await _mark(database, home, vault, max(held, last_seq))
    finally:
        await database.close()


async def _completed(staged: Path, files: Sequence[Path]) -> int:
    """Adds what the files have beyond the staged database, oldest batch first; returns how many receipts."""
    parsed = [await asyncio.to_thread(_parsed, file) for file in files]
    database = await Database.open(f"sqlite:///{staged}")
    try:
        added = 0
        for batch in sorted(parsed, key=lambda one: one.header.epoch):
            added += await database.write(partial(rebuild.add_batch, file=batch))
        return added
    finally:
        await database.close()


def _parsed(file: Path) -> ReceiptsFile:
    try:
        return ReceiptsFile.decode(file.read_bytes())
    except OSError as error:
        raise BackupRefused(f"{file} cannot be read: {error.strerror or error}.") from error
    except InvalidReceiptsFile as error:
        raise BackupRefused(f"{file} is not the receipts file of a batch: it {error}.") from error


async def _audited(file: Path) -> LedgerAudit:
    database = await Database.open(f"sqlite:///{file}")
    try:
        return await audit(database)
    finally:
        await database.close()


async def _marked(home: Path, staged: Path, vault: Address, held: int, last_seq: int | None) -> int:
    """Raises the mark to all that is known to be signed. Raises LedgerBehind if the staged database is behind it."""
    mark = SeqMark.open(home, vault)
    if mark is None and last_seq is None:
        raise BackupRefused(
            f"This home has no high-water mark of the vault {vault}, so receipts may exist that the backup, which has "
            f"{held}, lacks. Copy the folder seq-marks from the home that last served the vault. If it is lost, give "
            "--last-seq N with the number of the newest receipt that any payer or batch has."
        )
    signed = max(mark.value if mark is not None else 0, last_seq or 0)
    if held < signed:
        if mark is not None:
            mark.raise_to(signed)
        raise LedgerBehind(vault, held, signed)
    database = await Database.open(f"sqlite:///{staged}")
    try:
        return await _mark(database, home, vault, held)
    finally:
        await database.close()


async def _mark(database: Database, home: Path, vault: Address, value: int) -> int:
    """The home's mark, at least `value`, known to the database as its own."""
    mark = SeqMark.open(home, vault)
    known = await database.read(lambda session: meta.get(session, MARK))
    if mark is None:
        mark = SeqMark.create(home, vault, value, known)
    mark.raise_to(value)
    mark_id = mark.mark_id
    await database.write(lambda session: meta.put(session, MARK, mark_id))
    return mark.value


def _head(session: Session) -> tuple[Address | None, int]:
    vault = meta.vault_of(session)
    return vault, ledger.head(session, vault).last_seq if vault is not None else 0
