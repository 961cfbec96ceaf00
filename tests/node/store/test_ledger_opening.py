"""A ledger opens only on its own database, with every receipt that was signed."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete

from contracts.crypto import to_address
from node.store import ledger
from node.store.database import Database
from node.store.errors import LedgerBehind, MarkMissing, WrongVault
from node.store.ledger import Head
from node.store.ledger_opening import open_ledger
from node.store.meta import MetaRow
from node.store.seq_mark import mark_path

VAULT, OTHER = to_address("0x" + "7a" * 20), to_address("0x" + "7b" * 20)


async def signed(home: Path, upto: int, vault: str = VAULT) -> None:
    """A node of `home` that signs receipts up to number `upto` and stops."""
    database = await Database.open(f"sqlite:///{home}/node.db")
    address = to_address(vault)
    await open_ledger(database, home, address)
    first = (await database.read(lambda session: ledger.head(session, address))).last_seq + 1
    for seq in range(first, upto + 1):
        await database.write(lambda session, seq=seq: ledger.advance(session, address, Head(seq, seq, seq)))
    await database.close()


async def test_a_ledger_goes_on_where_it_stopped(tmp_path: Path) -> None:
    await signed(tmp_path, 3)
    await signed(tmp_path, 5)
    await signed(tmp_path, 5)


async def test_a_restored_backup_is_refused(tmp_path: Path) -> None:
    await signed(tmp_path, 3)
    shutil.copy(tmp_path / "node.db", tmp_path / "backup.db")
    await signed(tmp_path, 5)
    shutil.copy(tmp_path / "backup.db", tmp_path / "node.db")

    with pytest.raises(LedgerBehind, match=r"has 3 receipts .* but 5 were signed.*backup restore"):
        await signed(tmp_path, 6)


async def test_a_deleted_database_is_refused(tmp_path: Path) -> None:
    await signed(tmp_path, 3)
    (tmp_path / "node.db").unlink()

    with pytest.raises(LedgerBehind, match="has 0 receipts"):
        await signed(tmp_path, 4)


async def test_a_database_that_moved_without_its_mark_is_refused(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    await signed(old, 3)
    new.mkdir()
    shutil.copy(old / "node.db", new / "node.db")

    with pytest.raises(MarkMissing, match=r"backup mark --last-seq N.*this database has 3"):
        await signed(new, 4)


async def test_the_mark_of_another_database_is_refused(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    await signed(old, 3)
    await signed(new, 1)
    shutil.copy(old / "node.db", new / "node.db")

    with pytest.raises(MarkMissing):
        await signed(new, 4)


async def test_a_database_from_before_marks_gets_one(tmp_path: Path) -> None:
    await signed(tmp_path, 3)
    mark_path(tmp_path, VAULT).unlink()
    database = await Database.open(f"sqlite:///{tmp_path}/node.db")
    await database.write(lambda session: session.execute(delete(MetaRow)))
    await database.close()

    await signed(tmp_path, 4)

    assert b" 4 " in mark_path(tmp_path, VAULT).read_bytes()


async def test_a_crash_between_commit_and_mark_is_no_conflict(tmp_path: Path) -> None:
    await signed(tmp_path, 3)
    before = mark_path(tmp_path, VAULT).read_bytes()
    await signed(tmp_path, 5)
    mark_path(tmp_path, VAULT).write_bytes(before)

    await signed(tmp_path, 6)


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_database_keeps_one_ledger(tmp_path: Path, pinned: bool) -> None:
    await signed(tmp_path, 2)
    if not pinned:  # as versions before this one left it
        database = await Database.open(f"sqlite:///{tmp_path}/node.db")
        await database.write(lambda session: session.execute(delete(MetaRow)))
        await database.close()

    with pytest.raises(WrongVault, match=f"vault {VAULT}, but the node serves the vault {OTHER}"):
        await signed(tmp_path, 1, OTHER)
