"""Deposits through the outbox: refused, pending, or done."""

import pytest

from contracts.crypto import Address, PrivateKey, keccak
from contracts.x402 import ESCROW
from node.chain.errors import CallReverted
from node.chain.memory import GAS, Emitted, MemoryChain
from node.payments.errors import ChannelRefused, DepositFailed, GasTooHigh, SettlementUnknown
from node.settlement.escrow import ChainEscrow
from node.settlement.outbox import Outbox, OutboxPolicy
from node.store.database import Database
from tests.node.payments.payer import Payer
from tests.node.payments.shop import RECEIVER
from tests.node.settlement.crashing import Clock

KEY = PrivateKey(keccak(b"operator"))
CONFIG, NONCE = Payer(RECEIVER).config, keccak(b"authorization")


def escrow(database: Database, chain: MemoryChain) -> ChainEscrow:
    outbox = Outbox(database, chain, KEY, Clock(), OutboxPolicy(poll_s=0.001))
    return ChainEscrow(chain, outbox, mining_timeout_s=0.02)


async def test_a_mined_deposit_returns_its_transaction(database: Database) -> None:
    chain = MemoryChain()

    transaction = await escrow(database, chain).relay_deposit(CONFIG, 5, b"", NONCE)

    assert transaction == "0x" + chain.executed[0].hash.hex()
    assert chain.executed[0].call.to == ESCROW


async def test_the_same_authorization_is_deposited_once(database: Database) -> None:
    chain = MemoryChain()

    first = await escrow(database, chain).relay_deposit(CONFIG, 5, b"", NONCE)
    second = await escrow(database, chain).relay_deposit(CONFIG, 5, b"", NONCE)

    assert first == second
    assert len(chain.executed) == 1


async def test_a_refused_deposit_has_failed(database: Database) -> None:
    def refuse(sender: Address, data: bytes) -> list[Emitted]:
        raise CallReverted("InvalidSignature()", b"")

    with pytest.raises(DepositFailed, match="InvalidSignature"):
        await escrow(database, MemoryChain(contracts={ESCROW: refuse})).relay_deposit(CONFIG, 5, b"", NONCE)


async def test_a_deposit_that_was_sent_and_is_not_mined_is_unknown(database: Database) -> None:
    chain = MemoryChain(automine=False)

    with pytest.raises(SettlementUnknown):
        await escrow(database, chain).relay_deposit(CONFIG, 5, b"", NONCE)

    assert len(chain.waiting) == 1


async def test_a_deposit_that_could_not_be_sent_is_given_up(database: Database) -> None:
    poor = MemoryChain(coins=0)

    with pytest.raises(DepositFailed, match="fund it"):
        await escrow(database, poor).relay_deposit(CONFIG, 5, b"", NONCE)
    poor.coins = 10**18
    await escrow(database, poor).relay_deposit(CONFIG, 5, b"", NONCE)

    assert len(poor.executed) == 1


async def test_a_deposit_that_the_chain_would_refuse_fails_its_check(database: Database) -> None:
    def refuse(sender: Address, data: bytes) -> list[Emitted]:
        raise CallReverted("InvalidSignature()", b"")

    with pytest.raises(DepositFailed, match="InvalidSignature"):
        await escrow(database, MemoryChain(contracts={ESCROW: refuse})).check_deposit(CONFIG, 10**18, b"", NONCE)


async def test_no_deposit_is_relayed_while_gas_costs_more_than_the_cap(database: Database) -> None:
    chain = MemoryChain(base_fee=20_000 * 10**9)
    chain.mine()

    with pytest.raises(GasTooHigh, match="Gas costs 20000 gwei now, and this node relays deposits below 500 gwei"):
        await escrow(database, chain).check_deposit(CONFIG, 10**18, b"", NONCE)


async def test_the_least_deposit_is_worth_its_gas(database: Database) -> None:
    chain = MemoryChain(base_fee=100 * 10**9, tip=10**9)
    chain.mine()
    cost = GAS * 101 * 10**9

    with pytest.raises(ChannelRefused, match=f"the least that this node relays is {cost}"):
        await escrow(database, chain).check_deposit(CONFIG, cost - 1, b"", NONCE)
    await escrow(database, chain).check_deposit(CONFIG, cost, b"", NONCE)


async def test_a_deposit_that_was_sent_passes_its_check_though_it_would_revert_now(database: Database) -> None:
    chain = MemoryChain()
    relay = escrow(database, chain)
    await relay.relay_deposit(CONFIG, 5, b"", NONCE)
    chain.base_fee = 20_000 * 10**9
    chain.mine()

    await relay.check_deposit(CONFIG, 5, b"", NONCE)
