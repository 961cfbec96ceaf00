"""Which requests are paid for, and the most that each can cost."""

import json

import httpx2
import pytest

from contracts.crypto import ZERO_BYTES32
from node.client.node import NodeQuote, QuotedPrices
from node.client.paid_request import TEMPLATE_TOKENS, PaidRequest

MILLION = 1_000_000
PRICES = QuotedPrices(prompt_per_m=2 * MILLION, cached_per_m=MILLION, output_per_m=8 * MILLION, min_fee=50)
QUOTE = NodeQuote(ZERO_BYTES32, ZERO_BYTES32, PRICES, max_fee=7_777, valid_until=0)
URL = "http://node.test/v1/chat/completions"


def request(**body: object) -> PaidRequest | None:
    return PaidRequest.of(httpx2.Request("POST", URL, json={"model": "dermatology", **body}))


def paid(**body: object) -> PaidRequest:
    made = request(**body)
    assert made is not None
    return made


def test_a_chat_request_is_paid_for_as_its_bytes_are_sent() -> None:
    sent = httpx2.Request("POST", URL + "?a=1", json={"model": "dermatology", "max_tokens": 16, "n": 3})

    assert PaidRequest.of(sent) == PaidRequest(
        "POST", "/v1/chat/completions?a=1", sent.content, "dermatology", max_tokens=16, choices=3
    )


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/v1/chat/completions", b""),
        ("POST", "/v1/models", b'{"model": "x"}'),
        ("POST", "/v1/completions", b"{not json"),
        ("POST", "/v1/completions", b"[" * 100_000),
        ("POST", "/v1/completions", b"[]"),
        ("POST", "/v1/completions", b'{"model": 5}'),
        ("POST", "/v1/completions", b"{}"),
    ],
)
def test_what_costs_nothing_or_will_be_refused_is_not_paid_for(method: str, path: str, content: bytes) -> None:
    assert PaidRequest.of(httpx2.Request(method, f"http://node.test{path}", content=content)) is None


@pytest.mark.parametrize(
    ("body", "max_tokens", "choices"),
    [
        ({}, None, 1),
        ({"max_tokens": 5}, 5, 1),
        ({"max_completion_tokens": 7, "max_tokens": 5}, 7, 1),
        ({"max_tokens": -1, "n": 0}, None, 1),
        ({"max_tokens": "5", "n": "2"}, None, 1),
        ({"n": 4}, None, 4),
    ],
)
def test_limits_are_read_as_the_node_reads_them(body: dict[str, object], max_tokens: int | None, choices: int) -> None:
    assert (paid(**body).max_tokens, paid(**body).choices) == (max_tokens, choices)


def test_the_body_bounds_the_prompt_and_the_limit_bounds_every_choice() -> None:
    made = paid(max_tokens=10, n=3)

    assert made.max_fee(QUOTE, None) == 2 * (len(made.body) + TEMPLATE_TOKENS) + 8 * 30


def test_the_context_bounds_prompt_and_answer() -> None:
    assert paid(max_tokens=10_000).max_fee(QUOTE, 100) == 2 * 100 + 8 * 100
    assert paid().max_fee(QUOTE, 100) == 2 * 100 + 8 * 100
    assert paid(max_tokens=10).max_fee(QUOTE, 100) == 2 * 100 + 8 * 10


def test_without_any_limit_the_nodes_own_bound_counts() -> None:
    assert paid(n=2).max_fee(QUOTE, None) == 2 * 7_777


def test_a_long_body_may_cost_more_than_the_nodes_bound() -> None:
    made = paid(prompt="a" * 10_000)

    assert made.max_fee(QUOTE, None) == 2 * (len(made.body) + TEMPLATE_TOKENS)
    assert json.loads(made.body)["prompt"] == "a" * 10_000
