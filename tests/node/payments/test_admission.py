import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.fees import usage_fee
from node.payments.admission import capacity
from node.payments.errors import (
    ChannelUnknown,
    NonceUsed,
    PaymentInvalid,
    PaymentRequired,
    VoucherStale,
)
from node.store import nonces, reservations
from tests.node.payments.payer import BODY, NOW, PATH, Payer, key
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER, Shop, ended, open_shop

FEE = 10**15


async def test_an_admission_holds_back_what_was_signed(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)

    admission = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=3 * FEE), "one")

    channel = await shop.channel(payer)
    assert (admission.reserved, admission.granted_tokens, admission.payer) == (FEE, 10, payer.wallet.address)
    assert (channel.reserved, channel.signed_max, capacity(channel)) == (FEE, 3 * FEE, 2 * FEE)


async def test_a_request_without_a_voucher_uses_what_is_signed_already(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=2 * FEE), "one")

    await shop.admit(shop.ask(payer, max_fee=FEE), "two")

    assert (await shop.channel(payer)).reserved == 2 * FEE


async def test_of_a_hundred_requests_at_once_exactly_those_that_fit_are_admitted(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 37 * FEE + FEE // 2)
    asks = [shop.ask(payer, max_fee=FEE, signed_max=(i + 1) * FEE) for i in range(100)]
    asks.reverse()

    outcomes = await asyncio.gather(*(shop.admit(ask, f"r{i}") for i, ask in enumerate(asks)), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(outcomes) - len(refused) == 37
    assert {type(outcome) for outcome in refused} == {PaymentRequired}
    assert (await shop.channel(payer)).reserved == 37 * FEE


async def test_the_order_in_which_vouchers_arrive_does_not_matter(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    asks = [shop.ask(payer, max_fee=FEE, signed_max=(i + 1) * FEE) for i in range(5)]

    for i in (4, 0, 3, 1, 2):
        await shop.admit(asks[i], f"r{i}")

    assert (await shop.channel(payer)).reserved == 5 * FEE


async def test_a_signed_request_is_served_once(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    ask = shop.ask(payer, max_fee=FEE, signed_max=9 * FEE)
    await shop.admit(ask, "first")

    with pytest.raises(NonceUsed):
        await shop.admit(ask, "second")
    await shop.payments.release("first")
    with pytest.raises(NonceUsed):
        await shop.admit(ask, "third")

    assert (await shop.channel(payer)).reserved == 0


async def test_a_refused_request_may_be_presented_again(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, FEE // 2)
    ask = shop.ask(payer, max_fee=FEE, signed_max=FEE)
    with pytest.raises(PaymentRequired):
        await shop.admit(ask, "too early")

    shop.escrow.deposit(payer.channel_id, FEE)
    await shop.admit(ask, "now", now=NOW + 5)

    assert (await shop.channel(payer)).reserved == FEE


async def test_a_nonce_is_forgotten_long_after_its_deadline_only(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "early")
    used = payer.nonce
    for later in (NOW + 200, NOW + 10_000):
        request = payer.request(max_fee=FEE, price_hash=PRICES.struct_hash(), adapter_key=ADAPTER, deadline=later + 60)
        ask = shop.payments.authenticate(payer.headers(request, None), "POST", PATH, BODY, later)
        await shop.admit(ask, f"at {later}", now=later)
        kept = await shop.database.read(lambda session: nonces.used(session, payer.channel_id, used))
        assert kept == (later == NOW + 200)


async def test_numbers_tell_what_is_missing(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=FEE), "one")

    with pytest.raises(PaymentRequired, match="Sign a voucher") as unsigned:
        await shop.admit(shop.ask(payer, max_fee=2 * FEE), "two")
    with pytest.raises(PaymentRequired, match="Deposit more") as unfunded:
        await shop.admit(shop.ask(payer, max_fee=20 * FEE, signed_max=21 * FEE), "three")

    assert unsigned.value.numbers() == {
        "required": str(2 * FEE),
        "balance": str(10 * FEE),
        "pay_to": RECEIVER.vault,
        "asset": RECEIVER.token,
        "chain_id": "31337",
        "channel_id": "0x" + payer.channel_id.hex(),
        "charged": "0",
        "reserved": str(FEE),
        "signed_max": str(FEE),
        "signed_max_required": str(3 * FEE),
        "pending_withdraw": "0",
    }
    assert unfunded.value.numbers()["signed_max_required"] == str(21 * FEE)


async def test_a_voucher_is_kept_although_its_request_is_refused(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, FEE)

    with pytest.raises(PaymentRequired):
        await shop.admit(shop.ask(payer, max_fee=2 * FEE, signed_max=2 * FEE), "too dear")

    assert (await shop.channel(payer)).signed_max == 2 * FEE


async def test_an_old_voucher_on_an_exhausted_channel_is_stale(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10 * FEE)
    fee = usage_fee(PRICES, 10, 0, 10)
    admission = await shop.admit(shop.ask(payer, max_fee=fee, signed_max=fee), "one")
    await shop.metering.record(admission, ended(), prompt=b"", output=b"", now=NOW)

    with pytest.raises(VoucherStale) as stale:
        await shop.admit(shop.ask(payer, max_fee=fee, signed_max=fee), "two")

    assert stale.value.numbers() == {
        "charged": str(fee),
        "reserved": "0",
        "signed_max": str(fee),
        "required": str(fee),
    }


async def test_a_channel_nobody_opened_here_is_found_in_the_escrow(shop: Shop, payer: Payer) -> None:
    shop.escrow.deposit(payer.channel_id, 10 * FEE)

    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=FEE), "one")

    assert (await shop.channel(payer)).reserved == FEE


async def test_an_unfunded_channel_is_unknown(shop: Shop, payer: Payer) -> None:
    with pytest.raises(ChannelUnknown):
        await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=FEE), "with a voucher")
    with pytest.raises(ChannelUnknown):
        await shop.admit(shop.ask(payer, max_fee=FEE), "without")


async def test_a_top_up_on_the_chain_counts_at_once(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=2 * FEE), "one")
    shop.escrow.deposit(payer.channel_id, FEE)

    await shop.admit(shop.ask(payer, max_fee=FEE), "two")

    assert (await shop.channel(payer)).reserved == 2 * FEE


async def test_a_withdrawal_lowers_capacity_as_soon_as_it_is_known(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 3 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=3 * FEE), "one")
    shop.escrow.initiate_withdraw(payer.channel_id, 2 * FEE)
    await shop.payments.channels.refresh(payer.channel_id)

    with pytest.raises(PaymentRequired, match="Deposit more"):
        await shop.admit(shop.ask(payer, max_fee=1 * FEE), "two")

    assert capacity(await shop.channel(payer)) == 0


async def test_another_key_cannot_spend_from_a_channel(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 3 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=3 * FEE), "one")
    ask = shop.ask(payer, max_fee=FEE)
    thief = key("thief")
    forged = replace(ask, signer=thief.address)

    with pytest.raises(PaymentInvalid, match="the channel's key is"):
        await shop.admit(forged, "stolen")


async def test_a_caller_that_hangs_up_during_admission_holds_nothing(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 90 * FEE)
    for turns in range(8):
        admission = asyncio.create_task(
            shop.admit(shop.ask(payer, max_fee=FEE, signed_max=90 * FEE), f"hung up after {turns}")
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        admission.cancel()
        await asyncio.gather(admission, return_exceptions=True)

    await shop.payments.close()

    assert (await shop.channel(payer)).reserved == 0


async def test_releasing_gives_the_capacity_back_once(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "one")
    await shop.admit(shop.ask(payer, max_fee=FEE), "two")

    for _ in range(2):
        await shop.payments.release("one")

    assert (await shop.channel(payer)).reserved == FEE


async def test_a_restart_gives_back_what_the_dead_process_held(tmp_path: Path, payer: Payer) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    async with open_shop(url) as first:
        await first.funded(payer, 9 * FEE)
        for i in range(4):
            await first.admit(first.ask(payer, max_fee=FEE, signed_max=9 * FEE), f"r{i}")

    async with open_shop(url) as second:
        channel = await second.channel(payer)
        held = await second.database.read(reservations.count)

    assert (channel.reserved, channel.signed_max, held) == (0, 9 * FEE, 0)
