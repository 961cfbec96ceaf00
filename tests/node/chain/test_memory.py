"""The fake chain behaves as a chain does: nonces in order, replacements for a higher fee, reorganisations."""

import pytest

from contracts.crypto import Address, PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.errors import CallReverted, NonceTooLow, Underpriced
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import SignedTransaction, Transaction, sign_transaction

KEY = PrivateKey(keccak(b"sender"))
TARGET = to_address("0x" + "77" * 20)
TOPIC = keccak(b"topic")


def signed(nonce: int, max_fee: int = 20) -> SignedTransaction:
    return sign_transaction(Transaction(31337, nonce, TARGET, b"", 50_000, max_fee, 1), KEY)


def emit(sender: Address, data: bytes) -> list[Emitted]:
    return [(TARGET, (TOPIC,), data)]


def refuse(sender: Address, data: bytes) -> list[Emitted]:
    raise CallReverted("refused", b"")


async def test_transactions_are_mined_in_the_order_of_their_nonces() -> None:
    chain = MemoryChain(automine=False, contracts={TARGET: emit})
    for nonce in (1, 0, 3):
        await chain.send_raw(signed(nonce).raw)

    chain.mine()

    assert [sent.nonce for sent in chain.executed] == [0, 1]
    assert await chain.nonce(KEY.address) == 2
    assert await chain.knows(signed(3).hash)
    assert len(await chain.logs([TARGET], [TOPIC], 0, 10)) == 2


async def test_a_replacement_needs_a_higher_fee() -> None:
    chain = MemoryChain(automine=False)
    await chain.send_raw(signed(0, 20).raw)

    with pytest.raises(Underpriced):
        await chain.send_raw(signed(0, 21).raw)
    await chain.send_raw(signed(0, 23).raw)

    assert not await chain.knows(signed(0, 20).hash)


async def test_a_used_nonce_is_too_low() -> None:
    chain = MemoryChain()
    await chain.send_raw(signed(0).raw)

    with pytest.raises(NonceTooLow):
        await chain.send_raw(signed(0, 90).raw)


async def test_a_reverting_call_fails_its_estimate_and_its_transaction() -> None:
    chain = MemoryChain(contracts={TARGET: refuse})

    with pytest.raises(CallReverted):
        await chain.estimate_gas(Call(TARGET, b""), KEY.address)
    mined = await chain.inclusion(await chain.send_raw(signed(0).raw))

    assert mined is not None
    assert not mined.succeeded


@pytest.mark.parametrize("keep", [True, False])
async def test_a_reorganisation_takes_transactions_back(keep: bool) -> None:
    chain = MemoryChain(contracts={TARGET: emit})
    sent = await chain.send_raw(signed(0).raw)
    before = await chain.head()

    chain.reorganise(1, keep_waiting=keep)

    assert await chain.inclusion(sent) is None
    assert await chain.knows(sent) is keep
    assert (await chain.head()).hash != before.hash
