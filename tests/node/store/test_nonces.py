"""A nonce is used once per channel, and remembered until its deadline."""

import pytest
from sqlalchemy.exc import IntegrityError

from contracts.crypto import Bytes32, keccak
from node.store import nonces
from node.store.database import Database

CHANNEL, OTHER = keccak(b"channel"), keccak(b"other channel")
LARGEST = 2**256 - 1


async def use(database: Database, channel: Bytes32, nonce: int, deadline: int = 100) -> None:
    await database.write(lambda session: nonces.use(session, channel, nonce, deadline))


async def used(database: Database, channel: Bytes32, nonce: int) -> bool:
    return await database.read(lambda session: nonces.used(session, channel, nonce))


@pytest.mark.parametrize("nonce", [0, 1, LARGEST])
async def test_a_nonce_is_used_on_its_own_channel_only(database: Database, nonce: int) -> None:
    await use(database, CHANNEL, nonce)

    assert await used(database, CHANNEL, nonce)
    assert not await used(database, OTHER, nonce)
    assert not await used(database, CHANNEL, 7)


async def test_a_nonce_cannot_be_used_twice(database: Database) -> None:
    await use(database, CHANNEL, 1)

    with pytest.raises(IntegrityError):
        await use(database, CHANNEL, 1, deadline=200)


async def test_nonces_are_kept_until_their_deadline(database: Database) -> None:
    await use(database, CHANNEL, 1, deadline=99)
    await use(database, CHANNEL, 2, deadline=100)

    await database.write(lambda session: nonces.forget(session, 100))

    assert not await used(database, CHANNEL, 1)
    assert await used(database, CHANNEL, 2)
