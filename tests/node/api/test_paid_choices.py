"""Several choices and structured outputs, paid for: one request, one reservation, one receipt."""

import json
from typing import Any

import httpx2
import openai
import pytest

from contracts.fees import usage_fee
from contracts.structs import UsageReceipt
from tests.node.api.paid import BODY, CHAT, Bench, receipts_of
from tests.node.running import NodeThread

MANY: dict[str, Any] = {**BODY, "n": 3, "seed": 5, "temperature": 1.0}


def price_of(bench: Bench, receipt: UsageReceipt) -> int:
    return usage_fee(bench.quote.prices, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)


@pytest.mark.parametrize("stream", [False, True])
def test_the_prompt_is_paid_once_and_the_output_of_every_choice(
    client: httpx2.Client, paid_node: NodeThread, *, stream: bool
) -> None:
    bench, before = Bench.of(paid_node.url), receipts_of(client)
    sdk = openai.OpenAI(base_url=paid_node.url + "/v1", api_key="unused", http_client=client, max_retries=0)

    if stream:  # the wallet checks the receipt against all texts and the usage before it hands the last chunk on
        options = {"stream": True, "stream_options": {"include_usage": True}}
        usage = list(sdk.chat.completions.create(**MANY, **options))[-1].usage
    else:
        usage = sdk.chat.completions.create(**MANY).usage

    (receipt,) = receipts_of(client)[len(before) :]
    assert (receipt.tokens_in + receipt.tokens_cached, receipt.tokens_out) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    assert usage.completion_tokens > BODY["max_tokens"]
    assert receipt.fee == price_of(bench, receipt)


def test_three_choices_cost_what_three_requests_cost_without_two_prompts(client: httpx2.Client) -> None:
    fresh = [{**MANY, "messages": [{"role": "user", "content": "A question nobody asked before"}]}]
    fresh += [{**fresh[0], "n": 1, "seed": 5 + i} for i in range(3)]
    before = len(receipts_of(client))

    for body in fresh:
        client.post(CHAT, json=body).raise_for_status()

    many, *alone = receipts_of(client)[before:]
    assert many.tokens_out == sum(one.tokens_out for one in alone)
    assert many.tokens_in + many.tokens_cached == alone[0].tokens_in + alone[0].tokens_cached


def test_quote_and_demand_cover_every_choice(client: httpx2.Client, paid_node: NodeThread) -> None:
    params = {"model": BODY["model"], "max_tokens": BODY["max_tokens"]}
    one, many = (client.get("/nodes/me/quote", params=params | more).json() for more in ({}, {"n": MANY["n"]}))
    demanded = [httpx2.post(paid_node.url + CHAT, json=MANY | {"n": n}).json()["error"] for n in (1, 3)]

    more = 2 * BODY["max_tokens"] * int(one["prices"]["outputPerM"]) // 10**6
    assert int(many["maxFee"]) - int(one["maxFee"]) == more
    assert int(demanded[1]["required"]) - int(demanded[0]["required"]) == more
    assert client.get("/nodes/me/quote", params=params | {"n": 17}).json()["param"] == "n"


def test_what_is_reserved_covers_every_choice(client: httpx2.Client, paid_node: NodeThread) -> None:
    body = {"model": "cardiology", "prompt": "Hello", "max_tokens": 100, "n": 4, "ignore_eos": True, "stream": True}
    channel_id = Bench.of(paid_node.url).channel["channelId"]

    with client.stream("POST", "/v1/completions", json=body) as stream:
        lines = stream.iter_lines()
        next(lines)
        reserved = int(httpx2.get(f"{paid_node.url}/payments/channels/{channel_id}").json()["reserved"])
        assert [line for line in lines if line][-1] == "data: [DONE]"

    newest = receipts_of(client)[-1]
    assert newest.tokens_out == 400
    assert reserved >= newest.fee
    assert httpx2.get(f"{paid_node.url}/payments/channels/{channel_id}").json()["reserved"] == "0"


def test_a_schema_is_kept_and_paid_for_as_any_answer(client: httpx2.Client, paid_node: NodeThread) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["yes", "no"]}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema | {"additionalProperties": False}}}
    before = len(receipts_of(client))

    answer = client.post(CHAT, json={**BODY, "max_tokens": 200, "n": 2, "response_format": wanted}).json()
    refused = client.post(
        CHAT, json={**BODY, "response_format": wanted | {"json_schema": {"name": "a", "schema": {"type": "thing"}}}}
    )

    assert {json.loads(choice["message"]["content"])["a"] for choice in answer["choices"]} <= {"yes", "no"}
    assert refused.json()["error"]["param"] == "response_format"
    (receipt,) = receipts_of(client)[before:]
    assert receipt.tokens_out == answer["usage"]["completion_tokens"]
