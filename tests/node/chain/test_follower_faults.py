"""The follower against endpoints that lag, leave out events, or announce blocks that do not exist."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from contracts.crypto import Address, Bytes32, PrivateKey, keccak, to_address
from node.chain.client import Block, Log
from node.chain.errors import CallRefused, ChainUnavailable
from node.chain.events import Credited
from node.chain.finality import Finality
from node.chain.follower import RECENT_BLOCKS, ChainFollower, WatchedContracts
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.store.database import Database
from tests.node.chain.emitters import emit

SETTLEMENT = to_address("0x" + "51" * 20)
NODE = to_address("0x" + "aa" * 20)
SENDER = PrivateKey(keccak(b"sender"))
DOUBTFUL = WatchedContracts({SETTLEMENT: "Settlement"}, NODE, finality=Finality(0, lag_s=30, max_ahead_s=60))


class FaultyChain(MemoryChain):
    """An endpoint with faults that a test switches on and off."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.silent = False  # eth_getLogs answers []
        self.receipts_offered = True
        self.lag = 0  # blocks that the endpoint has not seen yet
        self.bogus_head: Block | None = None

    async def head(self) -> Block:
        seen = await self.block((await super().head()).number - self.lag)
        assert seen is not None
        return self.bogus_head or seen

    async def block(self, number: int) -> Block | None:
        return await super().block(number) if number <= (await super().head()).number - self.lag else None

    async def logs(
        self, addresses: Sequence[Address], topics: Sequence[Bytes32], from_block: int, to_block: int
    ) -> list[Log]:
        return [] if self.silent else await super().logs(addresses, topics, from_block, to_block)

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        return [] if self.silent else await super().logs_of_block(block_hash, addresses, topics)

    async def receipt_logs(self, block_hash: Bytes32) -> list[Log]:
        if not self.receipts_offered:
            raise CallRefused("eth_getBlockReceipts", "the method does not exist")
        return await super().receipt_logs(block_hash)


class Clock:
    now = 1_700_000_000

    def __call__(self) -> int:
        return self.now


def credit(sender: Address, data: bytes) -> list[Emitted]:
    amount = int.from_bytes(data)
    return [emit("Settlement", SETTLEMENT, "Credited", node=NODE, amount=amount, total=amount)]


@pytest.fixture
def chain() -> FaultyChain:
    return FaultyChain(contracts={SETTLEMENT: credit})


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def send(chain: MemoryChain, amount: int) -> None:
    nonce = await chain.nonce(SENDER.address)
    signed = sign_transaction(Transaction(31337, nonce, SETTLEMENT, amount.to_bytes(8), 50_000, 20, 1), SENDER)
    await chain.send_raw(signed.raw)


def amounts(follower: ChainFollower) -> list[int]:
    return [one.event.amount for one in follower.events if isinstance(one.event, Credited)]


async def test_events_that_the_endpoint_leaves_out_are_found_by_the_blocks_filter(
    chain: FaultyChain, database: Database, clock: Clock
) -> None:
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    chain.silent = True
    await send(chain, 7)

    await follower.poll()

    assert amounts(follower) == [7]


async def test_a_rescan_finds_events_that_were_left_out_and_is_repeated_until_it_succeeds(
    chain: FaultyChain, database: Database, clock: Clock
) -> None:
    chain.silent, chain.receipts_offered = True, False
    await send(chain, 7)
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    await send(chain, 8)
    await follower.poll()
    assert amounts(follower) == []
    chain.silent = False

    assert await follower.rescan(0)

    assert amounts(follower) == [7, 8]
    assert not await follower.rescan(0)
    assert amounts(await ChainFollower.open(database, chain, DOUBTFUL, clock)) == [7, 8]


async def test_an_endpoint_that_lags_takes_nothing_back(chain: FaultyChain, database: Database, clock: Clock) -> None:
    await send(chain, 1)
    await send(chain, 2)
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    head, changes = follower.head, follower.changes
    chain.lag = 2
    for _ in range(29):
        assert not await follower.poll()
        clock.now += 1
    chain.lag = 0

    await follower.poll()

    assert (amounts(follower), follower.head, follower.changes) == ([1, 2], head, changes)


async def test_a_chain_that_stays_shorter_is_believed(chain: FaultyChain, database: Database, clock: Clock) -> None:
    await send(chain, 1)
    await send(chain, 2)
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    chain.lag = 1
    await follower.poll()
    clock.now += 30

    await follower.poll()

    assert amounts(follower) == [1]


async def test_a_bogus_head_is_refused_and_the_next_poll_goes_on(
    chain: FaultyChain, database: Database, clock: Clock
) -> None:
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    await send(chain, 1)
    chain.bogus_head = Block(10**9, keccak(b"bogus"), clock.now, 7)
    with pytest.raises(ChainUnavailable, match="does not have block"):
        await follower.poll()

    chain.bogus_head = None
    await follower.poll()

    assert amounts(follower) == [1]


@pytest.mark.parametrize("ahead", [61, 10 * 365 * 86_400])
async def test_a_head_from_the_future_is_refused(
    chain: FaultyChain, database: Database, clock: Clock, ahead: int
) -> None:
    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)
    chain.mine()
    chain.bogus_head = replace(await chain.head(), timestamp=clock.now + ahead)

    with pytest.raises(ChainUnavailable, match=f"dated {ahead} s after"):
        await follower.poll()

    assert follower.head.timestamp <= clock.now + 60


async def test_a_long_history_is_read_in_ranges_and_its_newest_blocks_one_by_one(
    chain: FaultyChain, database: Database, clock: Clock
) -> None:
    clock.now += 1_000
    for amount in range(RECENT_BLOCKS + 20):
        await send(chain, amount)

    follower = await ChainFollower.open(database, chain, DOUBTFUL, clock)

    assert amounts(follower) == list(range(RECENT_BLOCKS + 20))
