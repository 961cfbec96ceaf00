"""The outbox when gas is dear: nothing is signed above the cap, and everything goes on when the price falls."""

import pytest

from contracts.crypto import PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.memory import MemoryChain
from node.settlement.errors import TransactionPending
from node.settlement.outbox import Outbox, OutboxPolicy
from node.store.database import Database
from tests.node.settlement.crashing import Clock

KEY = PrivateKey(keccak(b"operator"))
TARGET = to_address("0x" + "77" * 20)
GWEI = 10**9


def make(database: Database, chain: MemoryChain, clock: Clock, **policy: int) -> Outbox:
    return Outbox(database, chain, KEY, clock, OutboxPolicy(poll_s=0.001, **policy))


def calls(chain: MemoryChain) -> list[bytes]:
    return [sent.call.data for sent in chain.executed]


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_an_absurd_tip_is_not_signed(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False, base_fee=20 * GWEI, tip=10_000 * GWEI)
    outbox = make(database, chain, clock, max_fee_cap=500 * GWEI)

    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()

    found = await outbox.find("post:1")
    assert found is not None
    assert [(attempt.max_fee, attempt.tip) for attempt in found.attempts] == [(500 * GWEI, 480 * GWEI)]


async def test_a_gas_spike_holds_up_what_is_not_signed_and_ends_by_itself(database: Database, clock: Clock) -> None:
    chain = MemoryChain(base_fee=20_000 * GWEI)
    chain.mine()
    outbox = make(database, chain, clock, max_fee_cap=500 * GWEI)

    with pytest.raises(TransactionPending, match="Gas costs 20000 gwei"):
        await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=60)
    assert chain.waiting == {}
    chain.base_fee = 7
    chain.mine()
    await outbox.advance()

    assert calls(chain) == [b"post"]


async def test_a_gas_spike_stops_raising_the_fee_at_the_cap_and_ends_by_itself(
    database: Database, clock: Clock
) -> None:
    chain = MemoryChain(automine=False, base_fee=100 * GWEI)
    chain.mine()
    outbox = make(database, chain, clock, max_fee_cap=500 * GWEI, stuck_after_s=10)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    chain.base_fee = 2_000 * GWEI
    for _ in range(20):
        chain.mine()
        clock.now += 10
        await outbox.advance()
    assert calls(chain) == []

    chain.base_fee = 100 * GWEI
    for _ in range(3):
        await outbox.advance()
        chain.mine()
    await outbox.advance()

    found = await outbox.find("post:1")
    assert found is not None
    assert calls(chain) == [b"post"]
    assert max(attempt.max_fee for attempt in found.attempts) <= 500 * GWEI
