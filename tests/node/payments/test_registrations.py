"""The fakes of the two interfaces to the chain follow the contracts' rules."""

from dataclasses import replace

import pytest

from contracts.crypto import ZERO_BYTES32, keccak
from contracts.encoding import BASE_KEY
from node.payments.errors import DepositFailed
from node.payments.registrations import MemoryEscrow, MemoryRegistrations
from tests.node.payments.payer import Payer
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER, TERMS

PAYER = Payer(RECEIVER)
CHANNEL = PAYER.channel_id


def test_a_registration_holds_until_its_successor_starts() -> None:
    registrations, cheaper = MemoryRegistrations(), replace(PRICES, output_per_m=1)
    registrations.register_price(PRICES, from_=10)
    registrations.register_price(cheaper, from_=20)

    found = [registrations.price_list_at(ADAPTER, at) for at in (9, 10, 19, 20)]

    assert [None if window is None else window.value for window in found] == [None, PRICES, PRICES, cheaper]


def test_an_adapters_own_price_list_comes_before_the_default() -> None:
    registrations, own = MemoryRegistrations(), replace(PRICES, adapter_key=ADAPTER)
    registrations.register_price(PRICES)
    registrations.register_price(own)

    of_adapter, of_base = registrations.price_list_at(ADAPTER, 1), registrations.price_list_at(BASE_KEY, 1)

    assert of_adapter is not None
    assert of_base is not None
    assert (of_adapter.value, of_base.value) == (own, PRICES)


def test_terms_are_an_adapters_own_only() -> None:
    registrations = MemoryRegistrations()
    registrations.register_terms(TERMS, from_=5)

    assert registrations.terms_at(BASE_KEY, 9) is None
    assert registrations.terms_at(ADAPTER, 4) is None
    found = registrations.terms_at(ADAPTER, 5)
    assert found is not None
    assert found.value == TERMS


def test_the_base_model_has_the_key_zero() -> None:
    registrations = MemoryRegistrations(adapter_keys={"ab" * 32: ADAPTER})

    assert registrations.adapter_key_of(None) == ZERO_BYTES32
    assert registrations.adapter_key_of("ab" * 32) == ADAPTER


async def relay(escrow: MemoryEscrow, amount: int, nonce: bytes = b"nonce") -> str:
    return await escrow.relay_deposit(PAYER.config, amount, b"data", keccak(nonce))


async def test_an_authorization_moves_tokens_once() -> None:
    escrow = MemoryEscrow(RECEIVER.chain_id, funds={PAYER.wallet.address: 100})

    first, again = await relay(escrow, 60), await relay(escrow, 60)

    assert first == again
    assert (await escrow.balance(CHANNEL)).balance == 60
    assert escrow.funds[PAYER.wallet.address] == 40


async def test_a_deposit_above_the_payers_funds_is_refused() -> None:
    escrow = MemoryEscrow(RECEIVER.chain_id, funds={PAYER.wallet.address: 100})

    with pytest.raises(DepositFailed, match="holds less than 101"):
        await relay(escrow, 101)

    assert (await escrow.balance(CHANNEL)).balance == 0


async def test_a_withdrawal_pays_nothing_that_was_claimed_and_a_deposit_leaves_it_pending() -> None:
    escrow = MemoryEscrow(RECEIVER.chain_id)
    escrow.deposit(CHANNEL, 100)
    escrow.initiate_withdraw(CHANNEL, 80)
    escrow.claim(CHANNEL, 50)

    assert escrow.finalize_withdraw(CHANNEL) == 50
    escrow.initiate_withdraw(CHANNEL, 10)
    escrow.deposit(CHANNEL, 5)

    held = await escrow.balance(CHANNEL)
    assert (held.balance, held.total_claimed, held.pending_withdraw) == (55, 50, 10)


async def test_every_transaction_is_in_a_block_of_its_own() -> None:
    escrow = MemoryEscrow(RECEIVER.chain_id)
    escrow.deposit(CHANNEL, 1)
    before = (await escrow.balance(CHANNEL)).at_block

    escrow.deposit(CHANNEL, 1)

    assert (await escrow.balance(CHANNEL)).at_block == before + 1
