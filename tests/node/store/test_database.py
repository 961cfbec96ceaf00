import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32, keccak
from node.store.connections import parse_url
from node.store.database import Database
from node.store.errors import (
    DatabaseInUse,
    DatabaseRefused,
    StorageFull,
    StorageUnavailable,
    StoreClosed,
    WrongChain,
)
from node.store.meta import ChainPin, MetaRow

META = MetaRow.__table__
SETTLEMENT = Address("0x" + "5e" * 20)
PIN = ChainPin(31337, keccak(b"genesis"), SETTLEMENT)


def put(session: Session, name: str, value: str = "x") -> None:
    session.execute(insert(META).values(name=name, value=value))


def names(session: Session) -> list[str]:
    return sorted(session.scalars(select(META.c.name)).all())


async def test_what_was_written_is_there_after_a_restart(database_url: str) -> None:
    first = await Database.open(database_url)
    await first.write(lambda session: put(session, "kept"))
    await first.close()

    second = await Database.open(database_url)

    assert await second.read(names) == ["kept"]
    await second.close()


async def test_writes_happen_in_the_order_in_which_they_were_asked_for(database: Database) -> None:
    order: list[int] = []

    await asyncio.gather(*(database.write(lambda session, i=i: order.append(i)) for i in range(500)))

    assert order == list(range(500))


async def test_a_change_that_raises_leaves_nothing_behind_and_its_neighbours_alone(database: Database) -> None:
    def fail(session: Session) -> None:
        put(session, "half")
        raise RuntimeError("changed my mind")

    changes = [database.write(lambda session, i=i: put(session, f"good{i}")) for i in range(3)]
    outcomes = await asyncio.gather(changes[0], database.write(fail), *changes[1:], return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), RuntimeError, type(None), type(None)]
    assert await database.read(names) == ["good0", "good1", "good2"]


async def test_a_broken_constraint_is_told_to_its_caller_only(database: Database) -> None:
    await database.write(lambda session: put(session, "once"))

    outcomes = await asyncio.gather(
        database.write(lambda session: put(session, "once")),
        database.write(lambda session: put(session, "twice")),
        return_exceptions=True,
    )

    assert isinstance(outcomes[0], Exception)
    assert outcomes[1] is None
    assert await database.read(names) == ["once", "twice"]


async def test_a_caller_that_gives_up_before_its_turn_writes_nothing(database: Database) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(session: Session) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    running = asyncio.create_task(database.write(wait))
    await asyncio.sleep(0)
    given_up = asyncio.create_task(database.write(lambda session: put(session, "late")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    gate.set()
    await running

    assert await database.read(names) == []


async def test_reading_does_not_allow_writing(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(lambda session: put(session, "sneaked"))


async def test_readers_see_only_what_is_committed_while_a_write_runs(database: Database) -> None:
    loop = asyncio.get_running_loop()

    def write(session: Session) -> list[str]:
        put(session, "unfinished")
        return asyncio.run_coroutine_threadsafe(database.read(names), loop).result()

    assert await database.write(write) == []
    assert await database.read(names) == ["unfinished"]


async def test_a_closed_database_says_so(database_url: str) -> None:
    database = await Database.open(database_url)
    await database.close()

    with pytest.raises(StoreClosed):
        await database.write(lambda session: None)


async def test_closing_commits_what_waits(database_url: str) -> None:
    database = await Database.open(database_url)
    waiting = [asyncio.create_task(database.write(lambda session, i=i: put(session, f"n{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*waiting)

    again = await Database.open(database_url)

    assert len(await again.read(names)) == 50
    await again.close()


async def test_a_database_stays_with_its_chain_and_settlement(database_url: str) -> None:
    await (await Database.open(database_url, PIN)).close()
    await (await Database.open(database_url, PIN)).close()

    for other in (
        ChainPin(31337, keccak(b"another genesis"), SETTLEMENT),
        ChainPin(31337, PIN.genesis_hash, Address("0x" + "77" * 20)),
        ChainPin(1, PIN.genesis_hash, SETTLEMENT),
    ):
        with pytest.raises(WrongChain, match="another database"):
            await Database.open(database_url, other)


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


def test_a_word_has_32_bytes() -> None:
    from node.store.columns import Word

    with pytest.raises(ValueError, match="expected 32 bytes"):
        Word().process_bind_param(Bytes32(b"short"), None)  # type: ignore[arg-type]


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
