"""What a node publishes about itself: odd nodes are not signed for."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from contracts.crypto import PrivateKey, keccak
from node.client.errors import Malformed, NodeUnusable
from node.client.flows import fetch_card, fetch_quote, run
from node.client.node import NodeCard
from tests.node.client.answers import OPERATOR, RECEIVER, VAULT
from tests.node.client.node_side import URL, NodeSide


def test_a_card_carries_the_domains_and_the_requirements(node: NodeSide) -> None:
    card = NodeCard.parse(node.card())

    assert (card.vault, card.operator, card.chain_id) == (VAULT, OPERATOR.address, 31337)
    assert card.domain == RECEIVER.domain
    assert card.token_domain == RECEIVER.token_domain
    assert card.accepted(5)["amount"] == "5"
    assert card.accepted(5)["payTo"] == VAULT


def test_a_card_without_a_context_bounds_nothing() -> None:
    assert NodeCard.parse(NodeSide(context_tokens=None).card()).context_tokens is None


def edited(**changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda card: card | changes


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (edited(chainId=0), "serves without payment"),
        (edited(chainId="x"), "chainId"),
        (edited(escrow=VAULT), "escrow must be"),
        (edited(node="0x12"), "node"),
        (edited(operator=None), "operator"),
        (edited(withdrawDelay=10**9), "withdrawDelay"),
        (edited(withdrawDelay=60), "withdrawDelay"),
        (edited(accepts=[]), "accepts offers no batch-settlement"),
        (edited(accepts={}), "accepts must be a list"),
        (edited(asset=VAULT), "in the node's asset"),
        (edited(node=PrivateKey(keccak(b"thief")).address), "another address"),
        (edited(minDeposit=-1), "minDeposit"),
    ],
)
def test_a_node_that_describes_itself_oddly_is_refused(
    edit: Callable[[dict[str, Any]], dict[str, Any]], problem: str, node: NodeSide
) -> None:
    with pytest.raises(Malformed, match=problem):
        NodeCard.parse(edit(node.card()))


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}"])
def test_an_answer_that_is_no_description_names_the_node(content: bytes) -> None:
    other = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=content)))

    with pytest.raises(NodeUnusable, match=URL):
        run(other, fetch_card(URL))


def test_a_quote_without_a_time_zone_is_refused(node: NodeSide) -> None:
    quote = {
        "adapterKey": "0x" + "00" * 32,
        "priceHash": "0x" + "00" * 32,
        "prices": {"promptPerM": "1", "cachedPerM": "1", "outputPerM": "1", "minFee": "1"},
        "maxFee": "1",
        "validUntil": "2026-01-01T00:00:00",
    }
    other = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=json.dumps(quote))))

    with pytest.raises(NodeUnusable, match="time zone"):
        run(other, fetch_quote(URL, "dermatology", None))
