"""The head of a ledger only moves forward, by one receipt at a time."""

import pytest

from contracts.crypto import to_address
from node.store import ledger
from node.store.database import Database
from node.store.ledger import Head

NODE, OTHER = to_address("0x" + "11" * 20), to_address("0x" + "22" * 20)


async def advance(database: Database, *heads: Head) -> None:
    for head in heads:
        await database.write(lambda session, head=head: ledger.advance(session, NODE, head))


async def test_each_ledger_has_a_head_of_its_own(database: Database) -> None:
    await advance(database, Head(1, 100, 5), Head(2, 100, 2**100))

    assert await database.read(lambda session: ledger.head(session, NODE)) == Head(2, 100, 2**100)
    assert await database.read(lambda session: ledger.head(session, OTHER)) == Head(0, 0, 0)


@pytest.mark.parametrize("wrong", [Head(1, 100, 6), Head(3, 100, 6), Head(2, 99, 6)])
async def test_a_head_that_does_not_follow_is_refused(database: Database, wrong: Head) -> None:
    await advance(database, Head(1, 100, 5))

    with pytest.raises(Exception, match=r".*"):
        await advance(database, wrong)

    assert await database.read(lambda session: ledger.head(session, NODE)) == Head(1, 100, 5)
