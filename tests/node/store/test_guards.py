"""A commit that is not safe is not confirmed, and nothing is written after it."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from contracts.crypto import to_address
from node.store import ledger
from node.store.database import Database
from node.store.errors import LedgerBehind, LedgerUnsafe
from node.store.guards import MarkGuard
from node.store.ledger import Head
from node.store.seq_mark import SeqMark
from tests.node.store.entries import names, put

VAULT = to_address("0x" + "7a" * 20)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path}/node.db")
    await database.write(lambda session: put(session, "first"))
    yield database
    await database.close()


def advance(session: Session, seq: int) -> None:
    ledger.advance(session, VAULT, Head(seq, seq, seq))


def delete(file: Path) -> None:
    file.unlink()


def replace(file: Path) -> None:
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def truncate(file: Path) -> None:
    os.truncate(file, 100)


@pytest.mark.parametrize("change", [delete, replace, truncate])
@pytest.mark.parametrize("part", ["node.db", "node.db-wal"])
async def test_a_database_file_that_is_changed_from_outside_stops_all_writing(
    tmp_path: Path, opened: Database, part: str, change: object
) -> None:
    assert callable(change)
    change(tmp_path / part)

    with pytest.raises(LedgerUnsafe, match=part):
        await opened.write(lambda session: put(session, "second"))

    assert opened.unsafe is not None
    with pytest.raises(LedgerUnsafe, match="restore a backup"):
        await opened.write(lambda session: put(session, "third"))


async def test_the_mark_is_raised_once_for_each_commit_before_its_callers_learn_of_it(
    tmp_path: Path, opened: Database
) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 0)
    opened.guard(MarkGuard(VAULT, mark))

    for seq in (1, 2, 3):
        await opened.write(lambda session, seq=seq: advance(session, seq))
        again = SeqMark.open(tmp_path, VAULT)
        assert again is not None
        assert again.value == seq


async def test_a_change_that_is_undone_does_not_raise_the_mark(tmp_path: Path, opened: Database) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 0)
    opened.guard(MarkGuard(VAULT, mark))

    def undone(session: Session) -> None:
        advance(session, 1)
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await opened.write(undone)
    await opened.write(lambda session: put(session, "other"))

    assert mark.value == 0


async def test_a_number_that_was_signed_before_is_not_handed_out_again(tmp_path: Path, opened: Database) -> None:
    opened.guard(MarkGuard(VAULT, SeqMark.create(tmp_path, VAULT, 5)))

    with pytest.raises(LedgerBehind, match="5 were signed"):
        await opened.write(lambda session: advance(session, 1))
    with pytest.raises(LedgerBehind):
        await opened.write(lambda session: put(session, "later"))

    assert "later" not in await opened.read(names)


async def test_a_mark_that_cannot_be_written_hands_out_nothing(tmp_path: Path, opened: Database) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 0)
    opened.guard(MarkGuard(VAULT, mark))
    mark.close()

    with pytest.raises(LedgerUnsafe, match="Repair the disk"):
        await opened.write(lambda session: advance(session, 1))

    assert opened.unsafe is not None
