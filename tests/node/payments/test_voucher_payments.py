"""Vouchers without signed requests: each pays for one request, exactly."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.transition import Ledger, LedgerState, apply
from contracts.crypto import ZERO_BYTES32
from contracts.payment import PAYMENT_SIGNATURE, SignedDeposit, SignedVoucher, payment_payload, to_header
from node.metering.issued import IssuedReceipt
from node.payments.admission import Admission
from node.payments.authentication import VerifiedVoucher
from node.payments.bounds import Bounds
from node.payments.challenge import payment_required
from node.payments.channels import Opened
from node.payments.errors import ChannelBusy, ChannelRefused, PaymentRequired, VoucherMismatch
from node.payments.wire import requirements
from serving.types import End, Outcome
from tests.node.payments.payer import BODY, NOW, PATH, Payer
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER, Shop, ended, evidence_of, open_shop

BOUNDS = Bounds(10, 10)
AMOUNT = BOUNDS.amount(PRICES)
MUCH = 100 * AMOUNT


def paid(shop: Shop, sent: SignedVoucher | SignedDeposit) -> VerifiedVoucher:
    """What comes over the wire from a stock client."""
    header = to_header(payment_payload(sent.to_payload(), requirements(RECEIVER, AMOUNT)))
    consent = shop.payments.authenticate({PAYMENT_SIGNATURE: header}, "POST", PATH, BODY, NOW)
    assert isinstance(consent, VerifiedVoucher)
    return consent


async def admit(shop: Shop, sent: SignedVoucher | SignedDeposit, name: str, bounds: Bounds = BOUNDS) -> Admission:
    order = shop.payments.order(name, ADAPTER, bounds, bounds, NOW)
    return await shop.payments.vouchers.admit(paid(shop, sent), order, NOW)


async def record(shop: Shop, admission: Admission, end: End) -> IssuedReceipt:
    issued = await shop.metering.record(admission, end, prompt=b"", output=b"", now=NOW)
    shop.payments.vouchers.ended(admission.request_id)
    return issued


async def served(shop: Shop, payer: Payer, voucher_max: int, name: str, end: End | None = None) -> IssuedReceipt:
    return await record(shop, await admit(shop, payer.voucher(voucher_max), name), end or ended())


async def test_a_receipt_names_the_voucher_that_paid_and_the_judge_accepts_it(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, MUCH)
    first = await served(shop, payer, AMOUNT, "one", ended(output_tokens=4))
    await served(shop, payer, first.receipt.fee + AMOUNT, "two")

    state = LedgerState.genesis(Ledger(RECEIVER.vault, RECEIVER.token, RECEIVER.domain))
    for stored in await shop.receipts.of_channel(payer.channel_id):
        evidenced = await shop.receipts.evidence(stored.receipt_id)
        assert evidenced is not None
        assert evidenced.stored.request is None
        state = apply(state, stored.receipt, evidence_of(evidenced))

    assert (await shop.channel(payer)).charged == state.cum_total > first.receipt.fee == first.announced


@pytest.mark.parametrize("wrong", [-1, 1, AMOUNT])
async def test_a_voucher_for_another_sum_is_corrected(shop: Shop, payer: Payer, wrong: int) -> None:
    await shop.funded(payer, MUCH)

    with pytest.raises(VoucherMismatch) as corrected:
        await admit(shop, payer.voucher(AMOUNT + wrong), "one")
    document = payment_required(corrected.value, "http://node/")

    assert document["error"] == "invalid_batch_settlement_evm_cumulative_amount_mismatch"
    assert corrected.value.expected == AMOUNT
    assert (await served(shop, payer, AMOUNT, "two")).receipt.fee > 0


async def test_a_spent_voucher_pays_for_nothing_else(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, MUCH)
    first = await served(shop, payer, AMOUNT, "one", ended(output_tokens=4))
    cheaper = Bounds(8, 4)
    assert first.announced + cheaper.amount(PRICES) == AMOUNT, "the same voucher fits the cheaper request"

    with pytest.raises(VoucherMismatch) as corrected:
        await admit(shop, payer.voucher(AMOUNT), "two", cheaper)

    assert corrected.value.expected == AMOUNT + 1
    admission = await admit(shop, payer.voucher(AMOUNT + 1), "three", cheaper)
    issued = await record(shop, admission, ended(prompt_tokens=8, output_tokens=4))
    assert issued.channel is not None
    assert (issued.announced, issued.channel.credit) == (issued.receipt.fee - 1, 0)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ABORTED])
async def test_a_request_without_output_spends_no_voucher(shop: Shop, payer: Payer, outcome: Outcome) -> None:
    await shop.funded(payer, MUCH)

    failed = await served(shop, payer, AMOUNT, "one", ended(outcome, output_tokens=0))
    again = await served(shop, payer, AMOUNT, "two")

    assert (failed.receipt.request_digest, failed.receipt.fee, failed.announced) == (ZERO_BYTES32, 0, 0)
    assert again.receipt.fee > 0


async def test_a_stream_announces_its_ceiling_once(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, MUCH)
    admission = await admit(shop, payer.voucher(AMOUNT), "one")

    first, second = [await shop.payments.vouchers.announce(admission) for _ in range(2)]
    issued = await record(shop, admission, ended(output_tokens=4))

    assert first is not None
    assert first == second
    assert (first[1], first[0].announced) == (AMOUNT, AMOUNT)
    assert issued.channel is not None
    assert (issued.announced, issued.channel.credit) == (0, AMOUNT - issued.receipt.fee)
    assert await shop.payments.vouchers.announce(admission) is None


async def test_what_a_stream_announced_survives_a_crash_as_credit(tmp_path: Path, payer: Payer) -> None:
    url = f"sqlite:///{tmp_path}/crash.db"
    async with open_shop(url) as before:
        await before.funded(payer, MUCH)
        await before.payments.vouchers.announce(await admit(before, payer.voucher(AMOUNT), "one"))
    async with open_shop(url, before.escrow) as after:
        channel = await after.channel(payer)
        issued = await served(after, payer, 2 * AMOUNT, "two", ended(output_tokens=4))

    assert (channel.charged, channel.reserved, channel.credit) == (0, 0, AMOUNT)
    assert issued.announced == 1


async def test_the_channel_is_the_voucher_s_alone_while_its_request_runs(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, MUCH)
    running = await admit(shop, payer.voucher(AMOUNT), "one")
    waiting = asyncio.create_task(admit(shop, payer.voucher(2 * AMOUNT), "two"))

    with pytest.raises(ChannelBusy):
        await shop.admit(shop.ask(payer, max_fee=AMOUNT, signed_max=9 * AMOUNT), "signed")
    assert not waiting.done()
    fee = (await record(shop, running, ended())).receipt.fee

    assert fee == AMOUNT
    assert (await waiting).reserved == AMOUNT


async def test_signed_requests_that_run_keep_vouchers_out(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, MUCH)
    await shop.admit(shop.ask(payer, max_fee=AMOUNT, signed_max=AMOUNT), "signed")

    with pytest.raises(ChannelBusy):
        await admit(shop, payer.voucher(AMOUNT), "one")


@pytest.fixture
async def rich(shop: Shop, payer: Payer) -> Shop:
    shop.escrow.funds[payer.wallet.address] = MUCH
    return shop


async def test_a_deposit_rides_on_the_request_that_it_pays(rich: Shop, payer: Payer) -> None:
    relayed: list[Opened] = []
    sent = paid(rich, payer.deposit(10 * AMOUNT, voucher=payer.voucher(AMOUNT)))

    order = rich.payments.order("one", ADAPTER, BOUNDS, BOUNDS, NOW)
    admission = await rich.payments.vouchers.admit(sent, order, NOW, relayed.append)

    assert admission.channel.balance == 10 * AMOUNT
    assert [opened.channel.balance for opened in relayed] == [10 * AMOUNT]


async def test_a_deposit_with_a_wrong_voucher_is_not_relayed(rich: Shop, payer: Payer) -> None:
    with pytest.raises(PaymentRequired):
        await admit(rich, payer.deposit(10 * AMOUNT, voucher=payer.voucher(AMOUNT + 1)), "one")
    await rich.funded(payer, MUCH)
    with pytest.raises(VoucherMismatch):
        await admit(rich, payer.deposit(10 * AMOUNT, voucher=payer.voucher(AMOUNT + 1)), "two")

    assert rich.escrow.funds[payer.wallet.address] == MUCH


async def test_a_deposit_that_leaves_the_request_unpaid_is_not_relayed(rich: Shop, payer: Payer) -> None:
    await rich.funded(payer, 1)

    with pytest.raises(ChannelRefused, match="this request needs"):
        await admit(rich, payer.deposit(AMOUNT - 2, voucher=payer.voucher(AMOUNT)), "one")

    assert rich.escrow.funds[payer.wallet.address] == MUCH


async def test_a_channel_without_money_is_corrected_so_that_its_client_deposits(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, AMOUNT - 1)

    with pytest.raises(VoucherMismatch, match="Deposit more"):
        await admit(shop, payer.voucher(AMOUNT), "one")


async def test_a_prompt_of_more_tokens_than_its_size_suggests_is_refused(shop: Shop) -> None:
    with pytest.raises(PaymentRequired, match="more than its size suggests"):
        shop.payments.order("one", ADAPTER, BOUNDS, replace(BOUNDS, prompt_tokens=11), NOW)
