"""The outbox under every fault of a chain: reorganisations, gaps between nonces, endpoints that lag."""

from collections.abc import Callable

import pytest

from contracts.crypto import Address, PrivateKey, keccak, to_address
from node.chain.client import Call, Inclusion
from node.chain.errors import CallReverted
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.errors import TransactionFailed
from node.settlement.outbox import Outbox, OutboxPolicy
from node.store.database import Database
from node.store.outbox import State
from node.store.reorganisation import roll_back
from tests.node.settlement.crashing import Clock

KEY = PrivateKey(keccak(b"operator"))
TARGET = to_address("0x" + "77" * 20)


class FaultyChain(MemoryChain):
    """An endpoint that may lag: it hides inclusions, or counts other nonces than the chain has mined."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hides_inclusions = False
        self.nonce_error = 0

    async def inclusion(self, transaction_hash: bytes) -> Inclusion | None:  # type: ignore[override]  # any hash
        return None if self.hides_inclusions else await super().inclusion(transaction_hash)  # type: ignore[arg-type]

    async def nonce(self, address: Address) -> int:
        return await super().nonce(address) + self.nonce_error


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(database: Database, chain: MemoryChain, clock: Callable[[], int], **policy: int) -> Outbox:
    return Outbox(database, chain, KEY, clock, OutboxPolicy(poll_s=0.001, **policy))


async def states(outbox: Outbox, *intents: str) -> list[State]:
    found = [await outbox.find(intent) for intent in intents]
    return [sent.state for sent in found if sent is not None]


def calls(chain: MemoryChain) -> list[bytes]:
    return [sent.call.data for sent in chain.executed]


async def settle(chain: MemoryChain, outbox: Outbox, blocks: int = 30) -> None:
    """Mines and advances until nothing changes any more."""
    for _ in range(blocks):
        await outbox.advance()
        chain.mine()
    await outbox.advance()


@pytest.mark.parametrize("keep_waiting", [True, False], ids=["pending again", "dropped"])
@pytest.mark.parametrize("depth", range(1, 21))
async def test_every_state_survives_a_reorganisation(
    database: Database, clock: Clock, depth: int, keep_waiting: bool
) -> None:
    """A transaction in each state; `depth` blocks leave the chain; every call is executed once, with nonces 0 to 4."""
    chain = MemoryChain()
    outbox = make(database, chain, clock, confirmations=2)
    for _ in range(21 - depth):
        chain.mine()
    await outbox.send("final:1", Call(TARGET, b"one"), timeout_s=5)
    await outbox.send("final:2", Call(TARGET, b"two"), timeout_s=5)
    for _ in range(max(depth - 4, 0) + 1):
        chain.mine()
    await outbox.send("mined", Call(TARGET, b"three"), timeout_s=5)
    await outbox.advance()
    chain.automine = False
    await outbox.submit("broadcast", Call(TARGET, b"four"))
    await outbox.advance()
    await outbox.submit("intended", Call(TARGET, b"five"))
    chain.reorganise(depth, keep_waiting=keep_waiting)

    await settle(chain, outbox)

    assert calls(chain) == [b"one", b"two", b"three", b"four", b"five"]
    assert [sent.nonce for sent in chain.executed] == [0, 1, 2, 3, 4]
    assert await outbox.unfinished() == ()


async def test_a_final_transaction_that_a_deep_reorganisation_dropped_is_noticed_while_running(
    database: Database, clock: Clock
) -> None:
    chain = MemoryChain()
    outbox = make(database, chain, clock, confirmations=1)
    await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    chain.mine()
    await outbox.advance()
    assert await states(outbox, "post:1") == [State.FINAL]
    chain.reorganise(2, keep_waiting=False)

    await outbox.advance()

    assert calls(chain) == [b"post"]


async def test_a_transaction_whose_block_was_rolled_back_is_checked_again_even_if_its_nonce_is_used(
    database: Database, clock: Clock
) -> None:
    chain = MemoryChain()
    outbox = make(database, chain, clock)
    mined = await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    assert mined.block_number is not None
    block_number = mined.block_number
    chain.reorganise(1, keep_waiting=True)
    chain.mine()

    await database.write(lambda session: roll_back(session, block_number - 1))
    assert await states(outbox, "post:1") == [State.BROADCAST]
    await outbox.advance()

    found = await outbox.find("post:1")
    assert found is not None
    assert (found.state, found.block_number) == (State.FINAL, 2)


async def test_an_endpoint_that_counts_too_few_nonces_for_a_while_changes_nothing(
    database: Database, clock: Clock
) -> None:
    chain = FaultyChain()
    outbox = make(database, chain, clock, lag_s=30)
    await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    chain.nonce_error, chain.hides_inclusions = -1, True
    for _ in range(29):
        await outbox.advance()
        clock.now += 1

    assert await states(outbox, "post:1") == [State.FINAL]


async def test_a_nonce_that_was_too_high_leaves_no_gap(database: Database, clock: Clock) -> None:
    chain = FaultyChain(automine=False)
    outbox = make(database, chain, clock, lag_s=30)
    chain.nonce_error = 5
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    chain.nonce_error = 0
    await outbox.advance()
    assert [sent.nonce for sent in chain.waiting.values()] == [5]

    clock.now += 30
    await settle(chain, outbox)

    assert [(sent.nonce, sent.call.data) for sent in chain.executed] == [(0, b"post")]
    assert await states(outbox, "post:1") == [State.FINAL]


async def test_a_retry_renumbers_at_once(database: Database, clock: Clock) -> None:
    chain = FaultyChain(automine=False)
    outbox = make(database, chain, clock, lag_s=30)
    chain.nonce_error = 5
    for number in range(3):
        await outbox.submit(f"post:{number}", Call(TARGET, bytes([number])))
    await outbox.advance()
    chain.nonce_error = 0

    await outbox.reconcile()
    await settle(chain, outbox)

    assert [(sent.nonce, sent.call.data) for sent in chain.executed] == [(0, b"\x00"), (1, b"\x01"), (2, b"\x02")]


async def test_the_nonce_of_a_reverted_and_repeated_intent_leaves_no_gap_after_a_reorganisation(
    database: Database, clock: Clock
) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)
    await outbox.submit("claim:1", Call(TARGET, b"claim"))
    await outbox.advance()
    chain.contracts[TARGET] = refuse
    chain.mine()
    await outbox.advance()
    assert await states(outbox, "claim:1") == [State.FAILED]
    del chain.contracts[TARGET]
    await outbox.submit("claim:1", Call(TARGET, b"again"))
    await outbox.advance()
    chain.reorganise(1, keep_waiting=False)

    await settle(chain, outbox)

    assert [(sent.nonce, sent.call.data) for sent in chain.executed] == [(0, b"again")]


async def test_an_endpoint_that_lags_behind_does_not_make_the_outbox_send_twice(
    database: Database, clock: Clock
) -> None:
    chain = FaultyChain(automine=False)
    outbox = make(database, chain, clock, lag_s=30, confirmations=1)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    chain.mine()
    chain.hides_inclusions = True
    for _ in range(29):
        await outbox.advance()
        clock.now += 1

    chain.hides_inclusions = False
    await settle(chain, outbox)

    assert calls(chain) == [b"post"]
    assert await states(outbox, "post:1") == [State.FINAL]


async def test_a_nonce_that_another_program_used_is_replaced_after_the_lag(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock, lag_s=30)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.submit("post:2", Call(TARGET, b"next"))
    await outbox.advance()
    chain.forget()
    for nonce in (0, 1):
        foreign = sign_transaction(Transaction(31337, nonce, TARGET, b"foreign", 50_000, 1_000, 1), KEY)
        await chain.send_raw(foreign.raw)
    chain.mine()
    await outbox.advance()
    clock.now += 30

    await settle(chain, outbox)

    assert calls(chain) == [b"foreign", b"foreign", b"post", b"next"]


async def test_a_cancelled_intent_is_not_sent_though_it_was_being_simulated(database: Database, clock: Clock) -> None:
    chain = CancellingChain(automine=False)
    outbox = make(database, chain, clock)
    chain.outbox = outbox
    await outbox.submit("deposit:1", Call(TARGET, b"deposit"))

    await outbox.advance()
    await outbox.advance()

    assert chain.waiting == {}
    assert await states(outbox, "deposit:1") == [State.FAILED]
    with pytest.raises(TransactionFailed, match="cancelled"):
        await outbox.wait("deposit:1", timeout_s=0)


class CancellingChain(MemoryChain):
    """The caller gives up while its call is simulated."""

    outbox: Outbox

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        assert await self.outbox.cancel("deposit:1")
        return await super().estimate_gas(call, sender)


def refuse(sender: Address, data: bytes) -> list[Emitted]:
    raise CallReverted("NotOperator()", b"")
