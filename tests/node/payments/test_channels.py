import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.crypto import Bytes32, keccak
from contracts.payment import SignedDeposit, payment_payload
from node.payments.channels import channel_json
from node.payments.errors import (
    ChannelRefused,
    ChannelUnknown,
    DepositFailed,
    PaymentInvalid,
    RelayLimited,
    VoucherStale,
)
from node.payments.registrations import EscrowBalance, MemoryEscrow
from node.payments.wire import requirements
from tests.node.payments.payer import NOW, Payer, key
from tests.node.payments.shop import RECEIVER, Shop, open_shop

FUNDS = 10**24


def document(deposit: SignedDeposit) -> dict[str, object]:
    return payment_payload(deposit.to_payload(), requirements(RECEIVER, deposit.amount))


@pytest.fixture
def payer(shop: Shop) -> Payer:
    payer = Payer(RECEIVER)
    shop.escrow.funds[payer.wallet.address] = FUNDS
    return payer


async def test_a_deposit_opens_a_channel_and_keeps_its_voucher(shop: Shop, payer: Payer) -> None:
    opened = await shop.payments.channels.open(document(payer.deposit(10**18, voucher=payer.voucher(10**15))), NOW)

    assert opened.channel.balance == 10**18
    assert opened.channel.signed_max == 10**15
    assert opened.transaction.startswith("0x")
    assert await shop.channel(payer) == opened.channel
    assert shop.escrow.funds[payer.wallet.address] == FUNDS - 10**18


async def test_a_second_deposit_tops_the_channel_up(shop: Shop, payer: Payer) -> None:
    await shop.payments.channels.open(document(payer.deposit(10**18)), NOW)

    opened = await shop.payments.channels.open(document(payer.deposit(10**17, salt=2)), NOW)

    assert opened.channel.balance == 10**18 + 10**17


async def test_a_deposit_posted_again_is_taken_once(shop: Shop, payer: Payer) -> None:
    deposit = document(payer.deposit(10**18))

    opened = await asyncio.gather(*(shop.payments.channels.open(deposit, NOW) for _ in range(4)))
    later = await shop.payments.channels.open(deposit, NOW + 100)

    assert {one.transaction for one in opened} == {later.transaction}
    assert later.channel.balance == 10**18


async def test_a_deposit_without_funds_moves_nothing(shop: Shop, payer: Payer) -> None:
    with pytest.raises(DepositFailed):
        await shop.payments.channels.open(document(payer.deposit(FUNDS + 1)), NOW)

    with pytest.raises(ChannelUnknown):
        await shop.channel(payer)


async def test_a_deposit_below_the_minimum_is_refused(shop: Shop, payer: Payer) -> None:
    with pytest.raises(ChannelRefused, match="the least this node relays"):
        await shop.payments.channels.open(document(payer.deposit(RECEIVER.min_deposit - 1)), NOW)


@pytest.mark.parametrize(
    ("field", "value"), [("receiver", RECEIVER.token), ("token", RECEIVER.vault), ("withdraw_delay", 60)]
)
async def test_a_deposit_into_a_channel_that_does_not_pay_this_node_is_refused(
    shop: Shop, payer: Payer, field: str, value: object
) -> None:
    config = replace(payer.config, **{field: value})
    deposit = payer.deposit(10**18, voucher=payer.voucher(0, config=config))

    with pytest.raises(ChannelRefused):
        await shop.payments.channels.open(document(deposit), NOW)

    assert shop.escrow.used == {}


async def test_a_deposit_signed_by_somebody_else_is_refused_before_gas_is_spent(shop: Shop, payer: Payer) -> None:
    thief = Payer(RECEIVER, wallet=key("thief"), session=payer.session)
    forged = replace(thief.deposit(10**18), voucher=payer.voucher(0))

    with pytest.raises(PaymentInvalid, match="not by the payer"):
        await shop.payments.channels.open(document(forged), NOW)


@pytest.mark.parametrize("change", [{"valid_before": NOW}, {"valid_after": NOW + 1}])
async def test_a_deposit_outside_its_window_is_refused(shop: Shop, payer: Payer, change: dict[str, int]) -> None:
    with pytest.raises(PaymentInvalid, match="sign a current one"):
        await shop.payments.channels.open(document(replace(payer.deposit(10**18), **change)), NOW)


async def test_too_many_deposits_are_put_off(shop: Shop, payer: Payer) -> None:
    for salt in range(3):
        await shop.payments.channels.open(document(payer.deposit(10**18, salt=salt)), NOW + salt)

    with pytest.raises(RelayLimited) as limited:
        await shop.payments.channels.open(document(payer.deposit(10**18, salt=9)), NOW + 10)
    await shop.payments.channels.open(document(payer.deposit(10**18, salt=9)), NOW + 10 + limited.value.retry_after_s)

    assert limited.value.retry_after_s == 50


async def test_many_payers_share_one_limit(shop: Shop) -> None:
    payers = [Payer(RECEIVER, wallet=key(f"wallet {i}")) for i in range(6)]
    for payer in payers:
        shop.escrow.funds[payer.wallet.address] = FUNDS

    outcomes = await asyncio.gather(
        *(shop.payments.channels.open(document(payer.deposit(10**18)), NOW) for payer in payers),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes].count(RelayLimited) == 1


async def test_payers_without_funds_do_not_use_up_the_limit(shop: Shop, payer: Payer) -> None:
    for number in range(20):
        poor = Payer(RECEIVER, wallet=key(f"poor {number}"))
        with pytest.raises(DepositFailed):
            await shop.payments.channels.open(document(poor.deposit(10**18)), NOW)

    opened = await shop.payments.channels.open(document(payer.deposit(10**18)), NOW)

    assert opened.channel.balance == 10**18


async def test_a_payer_who_hangs_up_still_gets_the_channel(shop: Shop, payer: Payer) -> None:
    opening = asyncio.create_task(shop.payments.channels.open(document(payer.deposit(10**18)), NOW))
    await asyncio.sleep(0)
    opening.cancel()
    await shop.payments.channels.close()

    assert (await shop.channel(payer)).balance == 10**18


async def test_a_channel_funded_elsewhere_is_discovered(shop: Shop, payer: Payer) -> None:
    with pytest.raises(ChannelUnknown):
        await shop.payments.channels.discover(payer.config, NOW)

    shop.escrow.deposit(payer.channel_id, 77)

    assert (await shop.payments.channels.discover(payer.config, NOW)).balance == 77


async def test_a_newer_voucher_raises_and_an_older_one_changes_nothing(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10**18)
    add = shop.payments.channels.add_voucher

    maxima = [
        (await add(payer.channel_id, payer.voucher(amount).to_payload(), NOW)).signed_max for amount in (5, 9, 7, 9)
    ]

    assert maxima == [5, 9, 9, 9]
    assert (await shop.channel(payer)).signed_max_signature == payer.voucher(9).signature


async def test_a_voucher_that_grants_nothing_is_stale(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10**18)

    with pytest.raises(VoucherStale):
        await shop.payments.channels.add_voucher(payer.channel_id, payer.voucher(0).to_payload(), NOW)


async def test_a_voucher_posted_to_another_channel_is_refused(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10**18)

    with pytest.raises(PaymentInvalid, match="not this channel"):
        await shop.payments.channels.add_voucher(keccak(b"other"), payer.voucher(5).to_payload(), NOW)


async def test_an_older_word_of_the_escrow_does_not_replace_a_newer_one(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 10**18)
    old = await shop.escrow.balance(payer.channel_id)
    shop.escrow.initiate_withdraw(payer.channel_id, 10**17)
    await shop.payments.channels.refresh(payer.channel_id)
    newest = shop.escrow.channels[payer.channel_id]
    shop.escrow.channels[payer.channel_id], shop.escrow.block = old, old.at_block

    channel = await shop.payments.channels.refresh(payer.channel_id)

    assert channel.pending_withdraw == newest.pending_withdraw == 10**17


async def test_a_payers_channels_are_listed_page_by_page(shop: Shop) -> None:
    payers = [Payer(RECEIVER, salt=Bytes32(bytes([i]) * 32)) for i in range(5)]
    for payer in payers:
        await shop.funded(payer, 1)
    await shop.funded(Payer(RECEIVER, wallet=key("another")), 1)

    seen: list[Bytes32] = []
    while page := await shop.payments.channels.of_payer(payers[0].wallet.address, seen[-1] if seen else None, limit=2):
        seen += [channel.channel_id for channel in page]

    assert seen == sorted(payer.channel_id for payer in payers)


async def test_all_channels_are_refreshed_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    payers = [Payer(RECEIVER, salt=Bytes32(bytes([i]) * 32)) for i in range(3)]
    async with open_shop(url) as first:
        for payer in payers:
            await first.funded(payer, 100)
        escrow = first.escrow
    for payer in payers:
        escrow.initiate_withdraw(payer.channel_id, 60)

    async with open_shop(url, escrow) as second:
        assert await second.payments.channels.refresh_all() == 3
        assert {(await second.channel(payer)).pending_withdraw for payer in payers} == {60}


async def test_a_channel_is_shown_with_decimal_strings_and_its_capacity(shop: Shop, payer: Payer) -> None:
    opened = await shop.payments.channels.open(document(payer.deposit(10**18, voucher=payer.voucher(10**15))), NOW)

    shown = channel_json(opened.channel)

    assert shown["capacity"] == str(10**15)
    assert shown["balance"] == str(10**18)
    assert shown["openedAt"] == "2027-01-15T08:00:00Z"
    assert shown["channelId"] == "0x" + payer.channel_id.hex()


async def test_a_withdrawal_that_no_event_announced_is_seen_before_half_its_delay_has_passed(
    shop: Shop, payer: Payer
) -> None:
    await shop.funded(payer, 10**18)
    await shop.admit(shop.ask(payer, max_fee=10**17, signed_max=10**18), "first")
    shop.escrow.initiate_withdraw(payer.channel_id, 10**18)

    await shop.payments.channels.make_current(payer.channel_id, NOW + payer.config.withdraw_delay // 2)

    assert (await shop.channel(payer)).pending_withdraw == 10**18


class CountingEscrow(MemoryEscrow):
    """Counts how often it is asked for a balance."""

    readings = 0

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        self.readings += 1
        await asyncio.sleep(0)
        return await super().balance(channel_id)


async def test_a_channel_is_read_once_for_many_requests_at_once(tmp_path: Path, payer: Payer) -> None:
    escrow = CountingEscrow(RECEIVER.chain_id)
    async with open_shop(f"sqlite:///{tmp_path}/counting.db", escrow) as shop:
        await shop.funded(payer, 10**18)
        before = escrow.readings

        await asyncio.gather(*(shop.payments.channels.make_current(payer.channel_id, NOW) for _ in range(20)))
        await shop.payments.channels.make_current(payer.channel_id, NOW + 1)

    assert escrow.readings == before + 1
