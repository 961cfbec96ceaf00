"""The x402 SDK reads what the node writes, and the node reads what the SDK writes."""

import json
import time

import pytest
from eth_account import Account
from x402.http.utils import (
    decode_payment_required_header,
    decode_payment_response_header,
    encode_payment_signature_header,
)
from x402.mechanisms.evm.batch_settlement.client import BatchSettlementEvmScheme
from x402.schemas import PaymentPayload

from contracts.crypto import to_address
from contracts.fees import usage_fee
from contracts.payment import to_header
from node.payments.acceptance import check_voucher
from node.payments.bounds import Bounds
from node.payments.challenge import payment_required, payment_response
from node.payments.errors import PaymentRequired
from node.payments.wire import parse_payment_signature
from tests.node.payments.payer import NOW, Payer, key
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER, Shop, ended

FEE = usage_fee(PRICES, 10, 0, 10)


def test_the_sdk_reads_the_demand_of_an_unpaid_call(shop: Shop) -> None:
    body = payment_required(
        shop.payments.payment_required(ADAPTER, Bounds(10, 10), NOW), "http://node/v1/chat/completions"
    )

    read = decode_payment_required_header(to_header(body))

    accept = read.accepts[0]
    assert (accept.scheme, accept.network, accept.pay_to, accept.asset) == (
        "batch-settlement",
        "eip155:31337",
        RECEIVER.vault,
        RECEIVER.token,
    )
    assert accept.get_amount() == str(FEE)
    assert json.loads(read.model_dump_json(by_alias=True))["extensions"]["openlora"]["info"]["required"] == str(FEE)


async def test_a_deposit_and_a_voucher_of_the_stock_sdk_fund_a_channel_here(shop: Shop) -> None:
    wallet = Account.from_key(key("stock client").secret)
    shop.escrow.funds[to_address(wallet.address)] = 10**24
    demand = shop.payments.payment_required(ADAPTER, Bounds(10, 10), NOW)
    accept = decode_payment_required_header(to_header(payment_required(demand, "http://node/"))).accepts[0]
    scheme = BatchSettlementEvmScheme(wallet)

    payload = PaymentPayload(payload=scheme.create_payment_payload(accept), accepted=accept)
    document = json.loads(payload.model_dump_json(by_alias=True, exclude_none=True))
    opened = await shop.payments.channels.open(document, int(time.time()))

    assert opened.channel.config.payer == wallet.address
    assert opened.channel.balance >= FEE
    assert opened.channel.signed_max == FEE


def test_a_voucher_header_of_the_stock_sdk_is_read(shop: Shop) -> None:
    wallet = Account.from_key(key("stock client").secret)
    demand = shop.payments.payment_required(ADAPTER, Bounds(10, 10), NOW)
    accept = decode_payment_required_header(to_header(payment_required(demand, "http://node/"))).accepts[0]
    deposit = BatchSettlementEvmScheme(wallet).create_payment_payload(accept)
    voucher = {name: deposit[name] for name in ("channelConfig", "voucher")} | {"type": "voucher"}

    signed = parse_payment_signature(
        encode_payment_signature_header(PaymentPayload(payload=voucher, accepted=accept)), RECEIVER
    )

    assert check_voucher(signed, RECEIVER, "voucher") == signed.voucher.channel_id
    assert signed.voucher.max_claimable_amount == FEE


async def test_the_sdk_reads_the_response_to_a_paid_call(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 100 * FEE)
    admission = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "one")
    early = payment_response(RECEIVER, admission.channel, None)
    issued = await shop.metering.record(admission, ended(output_tokens=3), prompt=b"", output=b"", now=NOW)
    assert issued.channel is not None
    late = payment_response(RECEIVER, issued.channel, issued.receipt)

    before = decode_payment_response_header(to_header(early))
    after = decode_payment_response_header(to_header(late))

    assert before.extra is not None
    assert after.extra is not None
    assert "chargedAmount" not in before.extra, "a stream's header precedes its fee"
    assert after.extra["chargedAmount"] == after.amount == str(issued.receipt.fee)
    assert after.extra["channelState"]["chargedCumulativeAmount"] == str(issued.receipt.fee)
    assert after.extra["voucherState"]["signedMaxClaimable"] == str(9 * FEE)


async def test_a_refusal_shows_the_channel_it_is_about(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, FEE)

    with pytest.raises(PaymentRequired) as refused:
        await shop.admit(shop.ask(payer, max_fee=2 * FEE, signed_max=2 * FEE), "one")
    accept = decode_payment_required_header(to_header(payment_required(refused.value, "http://node/"))).accepts[0]

    assert accept.extra["channelState"]["balance"] == str(FEE)
    assert accept.extra["voucherState"]["signedMaxClaimable"] == str(2 * FEE)
