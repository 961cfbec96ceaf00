"""Stock x402 clients pay, unmodified, on a development node with a real chain behind it."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from x402.http.utils import decode_payment_required_header
from x402.mechanisms.evm.batch_settlement.client import InMemoryClientChannelStorage

from contracts.crypto import PrivateKey
from contracts.structs import UsageReceipt
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor, connect, contract
from serving.errors import Overloaded
from tests.node.api.paid import OPEN, paying
from tests.node.api.stock import BODY, CHAT, Stock, charge_of
from tests.node.running import NodeThread


@pytest.fixture
def stock(paid_node: NodeThread) -> Stock:
    """A client with a wallet of its own, which holds tokens and no ether."""
    assert paid_node.world.paid is not None
    key, paid = PrivateKey.generate(), paid_node.world.paid
    giver = Transactor(connect(paid.rpc_url), dev_accounts()[0])
    giver.call(contract(giver.web3, "OpenToken", paid.payments.receiver.token), "transfer", key.address, 100 * OPEN)
    return Stock.of(paid_node, key, 1)


def channel_of(stock: Stock, receipt: UsageReceipt) -> dict[str, Any]:
    answer = httpx2.get(f"{stock.node.url}/payments/channels/0x{receipt.channel_id.hex()}", timeout=60)
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document


def receipt_of(document: dict[str, Any]) -> UsageReceipt:
    return UsageReceipt.from_json(document["receipt"]["receipt"])


def streamed_receipt(lines: list[str]) -> UsageReceipt:
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    return receipt_of(chunks[-1])


async def test_a_first_request_brings_its_deposit_and_the_next_ones_their_vouchers(stock: Stock) -> None:
    async with stock.client() as client:
        answers = [await client.post(CHAT, json=BODY) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3, answers[0].text
    receipts = [receipt_of(answer.json()) for answer in answers]
    assert [charge_of(answer) for answer in answers] == [receipt.fee for receipt in receipts]
    assert all(after.cum_before == before.cum_before + before.fee for before, after in pairwise(receipts))
    channel = channel_of(stock, receipts[-1])
    assert stock.believes() == (int(channel["charged"]), int(channel["balance"]))
    assert (channel["reserved"], channel["credit"]) == ("0", "0")


async def test_a_stream_announces_its_ceiling_and_the_rest_is_credit(stock: Stock) -> None:
    async with stock.client() as client:
        async with client.stream("POST", CHAT, json=BODY | {"stream": True, "max_tokens": 100}) as response:
            lines = [line async for line in response.aiter_lines()]
        streamed = streamed_receipt(lines)
        credit = int(channel_of(stock, streamed)["credit"])
        whole = await client.post(CHAT, json=BODY)

    assert charge_of(response) == streamed.fee + credit
    assert credit > receipt_of(whole.json()).fee, "the stream was to end long before its ceiling"
    assert charge_of(whole) == 1, "credit covers the charge, and each charge is of one unit at least"
    channel = channel_of(stock, streamed)
    assert stock.believes()[0] == int(channel["charged"]) + int(channel["credit"])
    assert int(channel["charged"]) == streamed.fee + receipt_of(whole.json()).fee


def test_a_blocking_client_pays(stock: Stock) -> None:
    with stock.session() as session:
        answers = [session.post(stock.node.url + CHAT, json=BODY, timeout=60) for _ in range(2)]
        with session.post(stock.node.url + CHAT, json=BODY | {"stream": True}, stream=True, timeout=60) as response:
            lines = [line.decode() for line in response.iter_lines()]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert streamed_receipt(lines).cum_before == sum(receipt_of(answer.json()).fee for answer in answers)


async def test_a_client_that_lost_its_memory_recovers_in_one_call(stock: Stock) -> None:
    async with stock.client() as client:
        first = receipt_of((await client.post(CHAT, json=BODY)).json())
    again = Stock(stock.node, stock.key, stock.salt, InMemoryClientChannelStorage())

    async with again.client() as client:
        answer = await client.post(CHAT, json=BODY | {"max_tokens": 9})

    assert answer.status_code == 200
    assert receipt_of(answer.json()).cum_before == first.fee
    assert again.believes()[0] == int(channel_of(stock, first)["charged"])


async def test_calls_side_by_side_are_each_served_and_charged_once(stock: Stock) -> None:
    calls = 36
    async with stock.client(slow_s=240) as client:
        bodies = [BODY | {"max_tokens": 4 + number % 5, "seed": number} for number in range(calls)]
        answers = await asyncio.gather(*(client.post(CHAT, json=body) for body in bodies))

    assert [answer.status_code for answer in answers] == [200] * calls
    tiles = sorted((receipt_of(answer.json()) for answer in answers), key=lambda receipt: receipt.seq)
    assert all(after.cum_before == before.cum_before + before.fee for before, after in pairwise(tiles))
    assert len({receipt.request_digest for receipt in tiles}) == calls
    channel = channel_of(stock, tiles[0])
    assert int(channel["charged"]) == sum(receipt.fee for receipt in tiles)
    assert stock.believes()[0] == int(channel["charged"]) + int(channel["credit"])


async def test_every_answer_after_a_deposit_shows_it(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not learn of its deposit would deposit again."""

    def refuse(*_: object) -> None:
        raise Overloaded(1)

    monkeypatch.setattr(stock.node.world.service, "generate", refuse)
    async with stock.client() as client:
        refused = await client.post(CHAT, json=BODY)
        monkeypatch.undo()
        served = await client.post(CHAT, json=BODY)

    assert (refused.status_code, charge_of(refused)) == (429, 0)
    receipt = receipt_of(served.json())
    assert receipt.cum_before == 0
    assert stock.believes() == (receipt.fee, int(channel_of(stock, receipt)["balance"]))


async def test_what_cannot_be_served_is_refused_before_its_deposit_is_relayed(stock: Stock) -> None:
    too_long = BODY | {"messages": [{"role": "user", "content": "long " * 2000}]}
    async with stock.client() as client:
        refused = await client.post(CHAT, json=too_long)
        served = await client.post(CHAT, json=BODY)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "PAYMENT-RESPONSE" not in refused.headers
    channel = channel_of(stock, receipt_of(served.json()))
    assert int(channel["balance"]) == stock.believes()[1]


async def test_the_amount_depends_on_the_body_alone(stock: Stock) -> None:
    def amount_of(body: dict[str, Any]) -> int:
        answer = httpx2.post(stock.node.url + CHAT, json=body)
        return int(decode_payment_required_header(answer.headers["PAYMENT-REQUIRED"]).accepts[0].get_amount())

    longer = BODY | {"messages": [{"role": "user", "content": "Hello" * 9}]}

    assert amount_of(BODY) == amount_of(BODY) < amount_of(longer) < amount_of(longer | {"n": 2})
    assert amount_of(BODY) < amount_of(BODY | {"max_tokens": 9}) < amount_of({**BODY, "max_tokens": None})


async def test_both_ways_to_pay_share_a_channel(stock: Stock, tmp_path: Path) -> None:
    plain = Stock(stock.node, stock.key, f"0x{0:064x}", InMemoryClientChannelStorage())
    async with plain.client() as client:
        await client.post(CHAT, json=BODY | {"stream": True})
        with paying(stock.node.url, tmp_path, stock.key) as native:
            between = receipt_of(native.post(CHAT, json=BODY).raise_for_status().json())
        answer = await client.post(CHAT, json=BODY)

    assert answer.status_code == 200, answer.text
    assert receipt_of(answer.json()).cum_before == between.cum_before + between.fee
    channel = channel_of(stock, between)
    assert plain.believes()[0] == int(channel["charged"]) + int(channel["credit"])


async def test_receipts_of_stock_clients_settle_on_the_chain(stock: Stock) -> None:
    async with stock.client() as client:
        answers = [await client.post(CHAT, json=BODY | more) for more in ({}, {"max_tokens": 3}, {"n": 2})]
        await client.post(CHAT, json=BODY | {"stream": True})
    charged = int(channel_of(stock, receipt_of(answers[0].json()))["charged"])

    report = httpx2.post(f"{stock.node.admin_url}/admin/settle/now", headers=stock.node.token, timeout=120)

    report.raise_for_status()
    assert int(channel_of(stock, receipt_of(answers[0].json()))["totalClaimed"]) == charged


@pytest.mark.parametrize("stream", [False, True])
async def test_a_lost_answer_is_repeated_and_charged_once(stock: Stock, stream: bool) -> None:
    """The client never saw the first answer, so it sends the same voucher, here even with a second deposit."""
    body = BODY | {"stream": stream}
    async with stock.client() as client:
        first = await client.post(CHAT, json=body)
    forgetful = Stock(stock.node, stock.key, stock.salt, InMemoryClientChannelStorage(), with_rpc=False)

    async with forgetful.client() as client:
        again = await client.post(CHAT, json=body)
        following = await client.post(CHAT, json=BODY | {"max_tokens": 7})

    assert again.content == first.content
    assert charge_of(again) == charge_of(first)
    assert following.status_code == 200, following.text
    assert forgetful.believes()[0] == charge_of(first) + charge_of(following)


async def test_a_call_with_one_idempotency_key_is_charged_once(stock: Stock) -> None:
    named = {"Idempotency-Key": "mine"}
    async with stock.client() as client:
        answers = [await client.post(CHAT, json=BODY, headers=named) for _ in range(3)]
        other = await client.post(CHAT, json=BODY | {"max_tokens": 3}, headers=named)
        following = await client.post(CHAT, json=BODY)

    assert len({answer.content for answer in answers}) == 1
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert stock.believes()[0] == charge_of(answers[0]) + charge_of(following)
