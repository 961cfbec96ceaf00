"""The outbox: whatever crashes, is forgotten or reorganised, each intent happens exactly once."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from contracts.crypto import Address, PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.errors import CallReverted, ChainUnavailable
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.errors import TransactionFailed, TransactionPending
from node.settlement.outbox import Outbox, OutboxPolicy
from node.store.database import Database
from node.store.outbox import State
from tests.node.settlement.crashing import Clock, CrashingChain

KEY = PrivateKey(keccak(b"operator"))


TARGET = to_address("0x" + "77" * 20)


def accept(sender: Address, data: bytes) -> list[Emitted]:
    return []


def refuse(sender: Address, data: bytes) -> list[Emitted]:
    raise CallReverted("NotOperator()", b"")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(database: Database, chain: MemoryChain, clock: Callable[[], int], **policy: float) -> Outbox:
    return Outbox(database, chain, KEY, clock, OutboxPolicy(poll_s=0.001, **policy))  # type: ignore[arg-type]


async def state(outbox: Outbox, intent: str) -> State:
    found = await outbox.find(intent)
    assert found is not None
    return found.state


def calls(chain: MemoryChain) -> list[bytes]:
    return [sent.call.data for sent in chain.executed if sent.call.to == TARGET]


async def test_an_intent_is_sent_once_however_often_it_is_submitted(database: Database, clock: Clock) -> None:
    chain = MemoryChain()
    outbox = make(database, chain, clock)

    first = await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    again = await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)

    assert first.hash == again.hash
    assert calls(chain) == [b"post"]
    assert again.state is State.FINAL
    assert again.gas_used is not None


async def test_intents_take_consecutive_numbers(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)
    for number in range(5):
        await outbox.submit(f"deposit:{number}", Call(TARGET, bytes([number])))

    await outbox.advance()
    chain.mine()
    await outbox.advance()

    assert [sent.nonce for sent in chain.executed] == [0, 1, 2, 3, 4]
    assert calls(chain) == [bytes([number]) for number in range(5)]
    assert await outbox.unfinished() == ()


@pytest.mark.parametrize("breaks_at", range(8))
async def test_a_crash_at_any_point_then_a_restart_sends_exactly_once(
    database: Database, clock: Clock, breaks_at: int
) -> None:
    chain = CrashingChain()
    chain.breaks_at = breaks_at
    crashed = make(database, chain, clock)
    with suppress(ChainUnavailable):
        await crashed.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    chain.breaks_at = None

    restarted = make(database, chain, clock)
    await restarted.reconcile()
    sent = await restarted.send("post:1", Call(TARGET, b"post"), timeout_s=5)

    assert calls(chain) == [b"post"]
    assert sent.state is State.FINAL
    assert sent.nonce == 0


async def test_what_the_chain_forgot_is_broadcast_again(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    (before,) = chain.waiting
    chain.forget()

    await outbox.advance()

    assert list(chain.waiting) == [before]
    assert await state(outbox, "post:1") is State.BROADCAST
    chain.mine()
    await outbox.advance()
    assert await state(outbox, "post:1") is State.FINAL


async def test_a_reorganised_transaction_is_on_its_way_again(database: Database, clock: Clock) -> None:
    chain = MemoryChain()
    outbox = make(database, chain, clock, confirmations=2)
    await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=5)
    assert await state(outbox, "post:1") is State.MINED
    chain.automine = False
    chain.reorganise(1, keep_waiting=False)

    await outbox.advance()
    assert await state(outbox, "post:1") is State.BROADCAST
    await outbox.advance()
    for _ in range(3):
        chain.mine()
    await outbox.advance()
    await outbox.advance()

    assert calls(chain) == [b"post"]
    assert await state(outbox, "post:1") is State.FINAL


async def test_final_transactions_of_a_chain_set_back_are_sent_again_at_boot(database: Database, clock: Clock) -> None:
    chain = MemoryChain()
    outbox = make(database, chain, clock)
    await outbox.send("post:1", Call(TARGET, b"one"), timeout_s=5)
    await outbox.send("post:2", Call(TARGET, b"two"), timeout_s=5)
    chain.reorganise(2, keep_waiting=False)
    assert calls(chain) == []

    restarted = make(database, chain, clock)
    await restarted.reconcile()
    await restarted.advance()

    assert calls(chain) == [b"one", b"two"]


async def test_a_stuck_transaction_is_replaced_at_a_higher_fee(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock, stuck_after_s=30)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    (cheap,) = chain.waiting.values()
    clock.now += 29
    await outbox.advance()
    assert list(chain.waiting.values()) == [cheap]

    clock.now += 1
    await outbox.advance()

    (dear,) = chain.waiting.values()
    assert dear.max_fee > cheap.max_fee
    assert dear.nonce == cheap.nonce
    chain.mine()
    await outbox.advance()
    assert calls(chain) == [b"post"]
    assert await state(outbox, "post:1") is State.FINAL


async def test_a_fee_above_the_cap_waits(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock, stuck_after_s=0, max_fee_cap=16)
    await outbox.submit("post:1", Call(TARGET, b"post"))

    await outbox.advance()
    await outbox.advance()

    found = await outbox.find("post:1")
    assert found is not None
    assert found.failure is not None
    assert "Gas costs" in found.failure
    assert len(found.attempts) == 1


async def test_a_number_that_somebody_else_used_is_replaced(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)
    await outbox.submit("post:1", Call(TARGET, b"post"))
    await outbox.advance()
    chain.forget()
    foreign = sign_transaction(Transaction(31337, 0, TARGET, b"foreign", 50_000, 1_000, 1), KEY)
    await chain.send_raw(foreign.raw)
    chain.mine()

    await outbox.advance()
    await outbox.advance()
    chain.mine()
    await outbox.advance()

    assert calls(chain) == [b"foreign", b"post"]
    assert await state(outbox, "post:1") is State.FINAL


async def test_a_refused_intent_takes_no_number_and_may_be_tried_again(database: Database, clock: Clock) -> None:
    chain = MemoryChain(contracts={TARGET: refuse})
    outbox = make(database, chain, clock)

    with pytest.raises(TransactionFailed, match="NotOperator"):
        await outbox.send("claim:1", Call(TARGET, b"claim"), timeout_s=5)
    chain.contracts[TARGET] = accept
    sent = await outbox.send("claim:1", Call(TARGET, b"claim again"), timeout_s=5)

    assert sent.nonce == 0
    assert calls(chain) == [b"claim again"]


async def test_a_transaction_that_reverts_when_mined_is_told_apart(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False, contracts={TARGET: accept})
    outbox = make(database, chain, clock)
    await outbox.submit("claim:1", Call(TARGET, b"claim"))
    await outbox.advance()
    chain.contracts[TARGET] = refuse
    chain.mine()

    with pytest.raises(TransactionFailed, match="reverted"):
        await outbox.wait("claim:1", timeout_s=5)


async def test_sent_but_not_confirmed_is_a_state_of_its_own(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)

    with pytest.raises(TransactionPending) as pending:
        await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=0)

    assert pending.value.transaction_hash in chain.waiting
    chain.mine()
    assert (await outbox.wait("post:1", timeout_s=5)).state is State.FINAL


async def test_an_operator_without_funds_is_told_at_once_and_goes_on_when_funded(
    database: Database, clock: Clock
) -> None:
    chain = MemoryChain(coins=100)
    outbox = make(database, chain, clock)

    with pytest.raises(TransactionPending, match="holds 100 wei"):
        await outbox.send("post:1", Call(TARGET, b"post"), timeout_s=60)
    chain.coins = 10**18
    await outbox.advance()

    assert calls(chain) == [b"post"]


async def test_an_intent_is_given_up_only_before_it_has_a_number(database: Database, clock: Clock) -> None:
    chain = MemoryChain(automine=False)
    outbox = make(database, chain, clock)
    await outbox.submit("deposit:1", Call(TARGET, b"one"))
    await outbox.submit("deposit:2", Call(TARGET, b"two"))

    assert await outbox.cancel("deposit:1")
    await outbox.advance()
    assert not await outbox.cancel("deposit:2")

    chain.mine()
    assert calls(chain) == [b"two"]
    assert await state(outbox, "deposit:1") is State.FAILED
