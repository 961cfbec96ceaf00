"""The database as a whole: durable, with consistent reads, and safe on a full disk."""

import asyncio
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from contracts.crypto import Address
from node.store.database import Database
from node.store.errors import (
    StorageFull,
)
from tests.node.store.entries import META, names, put

SETTLEMENT = Address("0x" + "5e" * 20)


async def test_what_was_written_is_there_after_a_restart(database_url: str) -> None:
    first = await Database.open(database_url)
    await first.write(lambda session: put(session, "kept"))
    await first.close()

    second = await Database.open(database_url)

    assert await second.read(names) == ["kept"]
    await second.close()


async def test_readers_see_only_what_is_committed_while_a_write_runs(database: Database) -> None:
    loop = asyncio.get_running_loop()

    def write(session: Session) -> list[str]:
        put(session, "unfinished")
        return asyncio.run_coroutine_threadsafe(database.read(names), loop).result()

    assert await database.write(write) == []
    assert await database.read(names) == ["unfinished"]


async def test_a_full_disk_loses_nothing_and_ends_when_space_is_free(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/node.db")
    await database.write(lambda session: put(session, "before"))
    await _limit_pages(database, extra=2)

    outcomes = await asyncio.gather(
        *(database.write(lambda session, i=i: put(session, f"n{i}" * 10, "v" * 200)) for i in range(200)),
        return_exceptions=True,
    )
    written = [outcome for outcome in outcomes if outcome is None]
    kept = await database.read(lambda session: session.scalar(select(func.count()).select_from(META)))

    assert {type(outcome) for outcome in outcomes if outcome is not None} == {StorageFull}
    assert kept == 1 + len(written), "exactly what was confirmed is there"
    await _limit_pages(database, extra=10_000)
    await database.write(lambda session: put(session, "after"))
    await database.close()


async def _limit_pages(database: Database, extra: int) -> None:
    """SQLite's own page limit stands in for a full disk: the same error code at the same places."""

    def limit(session: Session) -> None:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count = {pages + extra}"))

    await database.write(limit)
