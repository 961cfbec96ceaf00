"""The follower: every event once, none after a reorganisation took it back, no question asked twice."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from contracts.crypto import Address, Bytes32, PrivateKey, keccak, to_address
from node.chain.client import Log
from node.chain.events import Credited
from node.chain.finality import Finality
from node.chain.follower import ChainFollower, WatchedContracts
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.store.database import Database
from tests.node.chain.emitters import emit

SETTLEMENT = to_address("0x" + "51" * 20)
NODE, OTHER = to_address("0x" + "aa" * 20), to_address("0x" + "bb" * 20)
SENDER = PrivateKey(keccak(b"sender"))
WATCH = WatchedContracts({SETTLEMENT: "Settlement"}, NODE)


class CountingChain(MemoryChain):
    """Remembers for which blocks it was asked about events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[Bytes32] = []

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        self.asked.append(block_hash)
        return await super().logs_of_block(block_hash, addresses, topics)


def credit(sender: Address, data: bytes) -> list[Emitted]:
    """Credits the amount in the call data; to another node if its first byte says so."""
    node = OTHER if data[0] else NODE
    amount = int.from_bytes(data[1:])
    return [emit("Settlement", SETTLEMENT, "Credited", node=node, amount=amount, total=amount)]


@pytest.fixture
def chain() -> CountingChain:
    return CountingChain(contracts={SETTLEMENT: credit})


async def send(chain: MemoryChain, amount: int, *, other: bool = False) -> None:
    data = bytes([other]) + amount.to_bytes(8)
    nonce = await chain.nonce(SENDER.address)
    signed = sign_transaction(Transaction(31337, nonce, SETTLEMENT, data, 50_000, 20, 1), SENDER)
    await chain.send_raw(signed.raw)


def amounts(follower: ChainFollower) -> list[int]:
    return [one.event.amount for one in follower.events if isinstance(one.event, Credited)]


async def test_events_come_in_order_and_only_those_of_the_node(chain: CountingChain, database: Database) -> None:
    await send(chain, 1)
    follower = await ChainFollower.open(database, chain, WATCH)
    await send(chain, 2)
    await send(chain, 3, other=True)
    await send(chain, 4)

    assert await follower.poll()

    assert amounts(follower) == [1, 2, 4]
    assert follower.head == await chain.head()
    assert not await follower.poll()


async def test_after_a_restart_nothing_is_read_again(chain: CountingChain, database: Database) -> None:
    await send(chain, 1)
    await ChainFollower.open(database, chain, WATCH)
    chain.asked.clear()
    await send(chain, 2)

    follower = await ChainFollower.open(database, chain, WATCH)

    assert amounts(follower) == [1, 2]
    assert chain.asked == [(await chain.head()).hash]


async def test_a_reorganised_event_is_taken_back_also_from_the_database(
    chain: CountingChain, database: Database
) -> None:
    await send(chain, 1)
    follower = await ChainFollower.open(database, chain, WATCH)
    await send(chain, 2)
    await follower.poll()
    chain.reorganise(1, keep_waiting=False)
    await send(chain, 3)

    assert await follower.poll()

    assert amounts(follower) == [1, 3]
    assert amounts(await ChainFollower.open(database, chain, WATCH)) == [1, 3]


async def test_a_reorganisation_while_nobody_looked_is_noticed_at_the_next_start(
    chain: CountingChain, database: Database
) -> None:
    for amount in range(1, 5):
        await send(chain, amount)
        await ChainFollower.open(database, chain, WATCH)
    chain.reorganise(2, keep_waiting=False)

    follower = await ChainFollower.open(database, chain, WATCH)

    assert amounts(follower) == [1, 2]
    assert follower.head == await chain.head()


async def test_a_shorter_chain_than_the_one_read_is_followed(chain: CountingChain, database: Database) -> None:
    await send(chain, 1)
    await send(chain, 2)
    follower = await ChainFollower.open(database, chain, WATCH)
    chain.reorganise(2, keep_waiting=False)

    await follower.poll()

    assert amounts(follower) == []
    assert follower.head.number == 1


async def test_an_event_is_relied_on_once_enough_blocks_lie_above_it(chain: CountingChain, database: Database) -> None:
    await send(chain, 1)
    follower = await ChainFollower.open(database, chain, WatchedContracts(WATCH.contracts, NODE, finality=Finality(2)))

    assert [len(follower.events), len(follower.confirmed)] == [1, 0]
    chain.mine()
    chain.mine()
    await follower.poll()

    assert len(follower.confirmed) == 1


async def test_any_history_of_blocks_and_reorganisations_ends_in_the_chain_s_own_events(database: Database) -> None:
    draw = random.Random(11)
    chain = CountingChain(contracts={SETTLEMENT: credit})
    follower = await ChainFollower.open(database, chain, WATCH)
    for amount in range(1, 60):
        await send(chain, amount)
        if draw.random() < 0.2:
            depth = draw.randrange(1, min(4, len(chain.executed) + 1))
            chain.reorganise(depth, keep_waiting=draw.random() < 0.5)
            chain.mine()
        if draw.random() < 0.4:
            await follower.poll()

    await follower.poll()

    expected = await chain.logs((SETTLEMENT,), WATCH.topics(), 0, 1_000)
    assert [one.log for one in follower.events] == expected
    assert [one.log for one in (await ChainFollower.open(database, chain, WATCH)).events] == expected


async def test_tasks_that_poll_at_once_read_every_event_once(chain: CountingChain, database: Database) -> None:
    follower = await ChainFollower.open(database, chain, WATCH)
    await send(chain, 1)
    first = asyncio.create_task(follower.poll())
    await asyncio.sleep(0)
    await send(chain, 2)

    await asyncio.gather(first, follower.poll(), follower.poll())

    assert amounts(follower) == [1, 2]
