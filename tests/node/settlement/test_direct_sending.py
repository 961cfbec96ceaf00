"""Transactions of a key without an outbox."""

import pytest

from contracts.crypto import Address, PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.errors import CallReverted
from node.chain.memory import Emitted, MemoryChain
from node.settlement.direct_sending import send_calls
from node.settlement.errors import TransactionFailed, TransactionPending

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
