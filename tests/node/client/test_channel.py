"""Deposits: tokens move once, whatever happens to the answer."""

from pathlib import Path

import httpx2
import pytest

from node.client.account_file import AccountFile
from node.client.channel import Channel
from node.client.errors import DepositRefused
from node.client.flows import fetch_card, fetch_quote, run, run_async
from node.client.node import NodeCard
from tests.node.client.answers import OPEN, VAULT
from tests.node.client.conftest import PAYER
from tests.node.client.node_side import URL, NodeSide, Refusal


@pytest.fixture
def plain(node: NodeSide) -> httpx2.Client:
    return httpx2.Client(transport=node)


@pytest.fixture
def channel(node: NodeSide, tmp_path: Path) -> Channel:
    card = NodeCard.parse(node.card())
    return Channel(URL, card, PAYER, AccountFile(tmp_path, card.chain_id, PAYER.address, VAULT), lambda: 1_000)


def test_a_deposit_opens_the_channel_and_is_remembered(node: NodeSide, plain: httpx2.Client, channel: Channel) -> None:
    view = run(plain, channel.deposit(OPEN))

    account = channel.file.read()
    assert view.channel_id == channel.id
    assert account is not None
    assert (view.balance, account.balance, account.deposit) == (OPEN, OPEN, None)


async def test_flows_run_asynchronously_too(node: NodeSide, channel: Channel) -> None:
    async with httpx2.AsyncClient(transport=node) as client:
        card = await run_async(client, fetch_card(URL))
        quote = await run_async(client, fetch_quote(URL, "dermatology", 16))
        view = await run_async(client, channel.deposit(5 * OPEN))

    assert card.vault == VAULT
    assert quote is not None
    assert quote.prices.min_fee == 10**13
    assert view.balance == 5 * OPEN


def test_a_second_deposit_adds_up(node: NodeSide, plain: httpx2.Client, channel: Channel) -> None:
    run(plain, channel.deposit(OPEN))

    assert run(plain, channel.deposit(2 * OPEN)).balance == 3 * OPEN


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_deposit_of_unknown_fate_is_posted_again_not_signed_again(
    status: int, node: NodeSide, plain: httpx2.Client, channel: Channel
) -> None:
    node.refuse = [Refusal(status, "settlement_unknown")]
    with pytest.raises(DepositRefused) as refused:
        run(plain, channel.deposit(OPEN))
    assert (refused.value.status, refused.value.code) == (status, "settlement_unknown")

    view = run(plain, channel.deposit(OPEN))

    first, second = (request.content for request in node.requests)
    assert first == second
    assert view.balance == OPEN


def test_a_deposit_whose_answer_was_lost_moves_money_once(
    node: NodeSide, plain: httpx2.Client, channel: Channel
) -> None:
    flow = channel.deposit(OPEN)
    plain.send(next(flow))  # the node took it; its answer never arrived
    flow.close()

    assert run(plain, channel.deposit(OPEN)).balance == OPEN
    assert len(node.deposits) == 1


def test_a_refused_deposit_is_forgotten(node: NodeSide, plain: httpx2.Client, channel: Channel) -> None:
    node.refuse = [Refusal(400, "channel_refused")]
    with pytest.raises(DepositRefused, match="channel_refused"):
        run(plain, channel.deposit(OPEN))

    account = channel.file.read()
    assert account is not None
    assert account.deposit is None


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"[" * 100_000])
def test_a_refusal_without_a_document_is_a_refusal(content: bytes, channel: Channel) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(502, content=content))

    with httpx2.Client(transport=transport) as client, pytest.raises(DepositRefused, match="502 no code") as refused:
        run(client, channel.deposit(OPEN))

    assert refused.value.code is None


def test_an_expired_deposit_is_replaced(node: NodeSide, plain: httpx2.Client, tmp_path: Path) -> None:
    card, now = NodeCard.parse(node.card()), [1_000.0]
    channel = Channel(URL, card, PAYER, AccountFile(tmp_path, 31337, PAYER.address, VAULT), lambda: now[0])
    node.refuse = [Refusal(503, "chain_unavailable")]
    with pytest.raises(DepositRefused):
        run(plain, channel.deposit(OPEN))
    now[0] += 4_000

    run(plain, channel.deposit(OPEN))

    assert node.requests[0].content != node.requests[1].content


def test_an_unknown_channel_holds_nothing(node: NodeSide, plain: httpx2.Client, channel: Channel) -> None:
    assert run(plain, channel.refresh()) == 0

    account = channel.file.read()
    assert account is not None
    assert account.balance == 0
