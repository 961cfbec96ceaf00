"""The writer: changes in order, one commit for many, and each error only for its own caller."""

import asyncio

import pytest
from sqlalchemy.orm import Session

from node.store.database import Database
from node.store.errors import (
    StoreClosed,
)
from tests.node.store.entries import names, put


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
