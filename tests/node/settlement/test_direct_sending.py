"""Transactions of a key without an outbox."""

import pytest

from contracts.crypto import Address, PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.errors import CallReverted, GasTooDear
from node.chain.memory import Emitted, MemoryChain
from node.settlement.direct_sending import send_calls
from node.settlement.errors import SenderUnfunded, TransactionFailed, TransactionPending

KEY = PrivateKey(keccak(b"contributor"))
TARGET = to_address("0x" + "77" * 20)


async def test_calls_are_mined_in_their_order() -> None:
    chain = MemoryChain()

    mined = await send_calls(chain, KEY, [Call(TARGET, b"first"), Call(TARGET, b"second")])

    assert [sent.call.data for sent in chain.executed] == [b"first", b"second"]
    assert [one.transaction_hash for one in mined] == [sent.hash for sent in chain.executed]
    assert all(one.succeeded for one in mined)


async def test_a_call_that_would_revert_is_not_sent() -> None:
    def refuse(sender: Address, data: bytes) -> list[Emitted]:
        raise CallReverted("NotOwner()", b"")

    chain = MemoryChain(contracts={TARGET: refuse})

    with pytest.raises(CallReverted, match="NotOwner"):
        await send_calls(chain, KEY, [Call(TARGET, b"")])
    assert chain.executed == []


async def test_a_call_that_reverts_when_it_is_mined_has_failed() -> None:
    calls = 0

    def refuse_later(sender: Address, data: bytes) -> list[Emitted]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise CallReverted("too late", b"")
        return []

    with pytest.raises(TransactionFailed, match="reverted when it was mined"):
        await send_calls(MemoryChain(contracts={TARGET: refuse_later}), KEY, [Call(TARGET, b"")])


async def test_a_transaction_that_is_not_mined_in_time_is_pending() -> None:
    with pytest.raises(TransactionPending) as pending:
        await send_calls(MemoryChain(automine=False), KEY, [Call(TARGET, b"")], timeout_s=0)

    assert pending.value.transaction_hash is not None


async def test_the_value_of_a_call_goes_with_its_transaction() -> None:
    chain = MemoryChain()

    await send_calls(chain, KEY, [Call(TARGET, b"bonded", 10**15), Call(TARGET, b"plain")])

    assert [sent.call.value for sent in chain.executed] == [10**15, 0]


async def test_nothing_is_signed_above_the_cap_on_the_price_of_gas() -> None:
    chain = MemoryChain(base_fee=100, tip=10**6)

    await send_calls(chain, KEY, [Call(TARGET, b"")], max_fee_cap=150)
    chain.base_fee = 150
    chain.mine()
    with pytest.raises(GasTooDear):
        await send_calls(chain, KEY, [Call(TARGET, b"")], max_fee_cap=150)

    assert [sent.max_fee for sent in chain.executed] == [150]


@pytest.mark.parametrize("coins", [0, 10**15 - 1, 10**15])
async def test_an_account_that_cannot_pay_value_and_gas_is_named_before_anything_is_sent(coins: int) -> None:
    chain = MemoryChain(coins=coins)

    with pytest.raises(SenderUnfunded, match=KEY.address) as refusal:
        await send_calls(chain, KEY, [Call(TARGET, b"", 10**15)])

    assert chain.executed == []
    assert refusal.value.held == coins
    assert refusal.value.needed >= 10**15
