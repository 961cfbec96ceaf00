"""Which databases are accepted, and how they are opened."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from node.store.connections import parse_url
from node.store.database import Database
from node.store.errors import (
    DatabaseInUse,
    DatabaseRefused,
    StorageUnavailable,
)
from tests.node.store.entries import names, put


async def test_reading_does_not_allow_writing(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(lambda session: put(session, "sneaked"))


async def test_a_second_writer_on_postgresql_is_refused(postgres_url: str) -> None:
    first = await Database.open(postgres_url)

    with pytest.raises(DatabaseInUse, match="Another node process"):
        await Database.open(postgres_url)

    await first.close()
    await (await Database.open(postgres_url)).close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://root@localhost/node", "mysql is not supported"),
        ("sqlite://", "forgets receipts"),
        ("sqlite:///:memory:", "forgets receipts"),
        ("sqlite:///file:node?mode=memory&uri=true", "forgets receipts"),
        ("sqlite:///node.db?cache=shared", "set by the node"),
        ("postgresql://node@localhost", "names no database"),
        ("postgresql+asyncpg://node@localhost/node", "not supported"),
        ("node.db", "not a database URL"),
        ("", "not a database URL"),
    ],
)
def test_urls_that_cannot_keep_money_are_refused(url: str, problem: str) -> None:
    with pytest.raises(DatabaseRefused, match=problem) as refused:
        parse_url(url)

    assert "sqlite:///" in str(refused.value)


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(DatabaseRefused) as refused:
        parse_url("mysql://root:hunter2@localhost/node")

    assert "hunter2" not in str(refused.value)


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    async def pragmas() -> tuple[str, int]:
        database = await Database.open(f"sqlite:///{tmp_path}/node.db")

        def read(session: Session) -> tuple[str, int]:
            journal = session.execute(text("PRAGMA journal_mode")).scalar_one()
            return journal, session.execute(text("PRAGMA synchronous")).scalar_one()

        found = await database.write(read)
        await database.close()
        return found

    assert asyncio.run(pragmas()) == ("wal", 2)


async def test_a_server_that_drops_the_connection_is_found_again(postgres_url: str) -> None:
    database = await Database.open(postgres_url)
    await database.write(lambda session: put(session, "before"))

    def cut_own_line(session: Session) -> None:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StorageUnavailable):
        await database.write(cut_own_line)
    await database.write(lambda session: put(session, "after"))

    assert await database.read(names) == ["after", "before"]
    await database.close()
