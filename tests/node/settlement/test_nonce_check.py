"""A contradiction between the chain and the stored nonces counts only once it has lasted."""

from contracts.crypto import to_address
from node.chain.memory import MemoryChain
from node.settlement.nonce_check import NonceCheck
from node.store import outbox
from node.store.database import Database
from tests.node.settlement.crashing import Clock

SENDER = to_address("0x" + "11" * 20)


async def take(database: Database, mined: int) -> int:
    return await database.write(lambda session: outbox.take_nonce(session, SENDER, mined))


async def test_a_doubt_is_sure_after_the_lag_and_forgotten_when_the_chain_agrees(database: Database) -> None:
    clock = Clock()
    check = NonceCheck(database, MemoryChain(), SENDER, clock, lag_s=30)

    assert not check.is_sure("doubt")
    clock.now += 29
    assert not check.is_sure("doubt")
    check.trust("doubt")
    clock.now += 1
    assert not check.is_sure("doubt")
    clock.now += 30
    assert check.is_sure("doubt")


async def test_nonces_that_were_given_out_and_never_used_are_given_out_again(database: Database) -> None:
    clock = Clock()
    check = NonceCheck(database, MemoryChain(), SENDER, clock, lag_s=30)
    assert await take(database, 5) == 5

    await check.mend()
    assert await take(database, 0) == 6
    clock.now += 30
    await check.mend()

    assert await take(database, 0) == 0


async def test_a_retry_does_not_wait(database: Database) -> None:
    check = NonceCheck(database, MemoryChain(), SENDER, Clock(), lag_s=30)
    await take(database, 5)

    await check.mend(at_once=True)

    assert await take(database, 0) == 0
