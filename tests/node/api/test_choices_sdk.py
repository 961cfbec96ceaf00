"""Several choices, and outputs that follow a schema, through the official OpenAI client, streaming and not."""

import json
import time
from collections import defaultdict
from typing import Annotated, Any, Literal

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_chunk import ChatCompletionChunk
from pydantic import BaseModel, ConfigDict, Field

from contracts.encoding import commitment, outputs
from contracts.structs import UsageReceipt
from node.dev.starter import BASE_NAME, StarterAdapter
from tests.node.api.test_leaving import all_receipts, receipt_after
from tests.node.running import NodeThread


class Finding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    drug: Annotated[str, Field(max_length=12)]
    form: Literal["tablet", "cream", "shake"]
    doses: Annotated[list[Annotated[int, Field(ge=0, le=99)]], Field(max_length=2)]


SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "finding", "strict": True, "schema": Finding.model_json_schema()},
}


ENOUGH = 420
"""Tokens that suffice for every value of the schema, with the widest white space it may hold."""


def asked(adapter: StarterAdapter, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": adapter.example}]
    return {"model": adapter.name, "messages": messages, "temperature": 1.0, "seed": 3, "max_tokens": 40, **more}


def texts_of(chunks: list[ChatCompletionChunk]) -> dict[int, str]:
    texts: dict[int, str] = defaultdict(str)
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    return dict(texts)


def test_choices_are_numbered_and_choice_i_draws_with_seed_plus_i(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    many = sdk.chat.completions.create(**asked(adapter, n=4))
    alone = [sdk.chat.completions.create(**asked(adapter, seed=3 + i)) for i in range(4)]

    ChatCompletion.model_validate(many.model_dump(), strict=True)
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert [choice.message.content for choice in many.choices] == [one.choices[0].message.content for one in alone]
    assert [choice.finish_reason for choice in many.choices] == [one.choices[0].finish_reason for one in alone]
    assert many.usage is not None
    assert many.usage.completion_tokens == sum(one.usage.completion_tokens for one in alone if one.usage)
    assert many.usage.prompt_tokens == (alone[0].usage.prompt_tokens if alone[0].usage else 0)


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_of_choices_adds_up_to_the_plain_answer(
    sdk: openai.OpenAI, adapter: StarterAdapter, *, include_usage: bool
) -> None:
    whole = sdk.chat.completions.create(**asked(adapter, n=3, logprobs=True))

    chunks: list[ChatCompletionChunk] = list(
        sdk.chat.completions.create(
            **asked(adapter, n=3, logprobs=True), stream=True, stream_options={"include_usage": include_usage}
        )
    )

    assert texts_of(chunks) == {choice.index: choice.message.content for choice in whole.choices}
    reasons = [(c.index, c.finish_reason) for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert sorted(reasons) == [(choice.index, choice.finish_reason) for choice in whole.choices]
    tokens: dict[int, list[str]] = defaultdict(list)
    for chunk in chunks:
        for choice in chunk.choices:
            tokens[choice.index] += [t.token for t in (choice.logprobs.content or [] if choice.logprobs else [])]
    assert dict(tokens) == {c.index: [t.token for t in c.logprobs.content or []] for c in whole.choices if c.logprobs}
    assert ["receipt" in (chunk.model_extra or {}) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].usage == whole.usage) is include_usage


def test_one_receipt_covers_all_choices_and_reconciles_to_the_usage(
    sdk: openai.OpenAI, node: NodeThread, adapter: StarterAdapter
) -> None:
    before = node.run(all_receipts)

    many = sdk.chat.completions.create(**asked(adapter, n=5))

    (receipt,) = [one for key, one in node.run(all_receipts).items() if key not in before]
    document = (many.model_extra or {})["receipt"]
    texts = [choice.message.content or "" for choice in many.choices]
    assert UsageReceipt.from_json(document["receipt"]) == receipt
    assert many.usage is not None
    assert receipt.tokens_in + receipt.tokens_cached == many.usage.prompt_tokens
    assert receipt.tokens_out == many.usage.completion_tokens
    assert receipt.output_commit == commitment(bytes.fromhex(document["outputSalt"][2:]), outputs(texts))  # type: ignore[arg-type]
    assert json.loads(outputs(texts)) == texts


def test_plain_completions_have_choices_too(sdk: openai.OpenAI) -> None:
    body: dict[str, Any] = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 8, "n": 3, "seed": 1, "logprobs": 1}

    whole = sdk.completions.create(**body)
    echoed = sdk.completions.create(**{k: v for k, v in body.items() if k != "logprobs"}, echo=True)
    texts: dict[int, str] = defaultdict(str)
    offsets: dict[int, list[int]] = defaultdict(list)
    for chunk in sdk.completions.create(**body, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            offsets[choice.index] += (choice.logprobs.text_offset or []) if choice.logprobs else []

    assert dict(texts) == {choice.index: choice.text for choice in whole.choices}
    assert dict(offsets) == {choice.index: choice.logprobs.text_offset for choice in whole.choices if choice.logprobs}
    assert [choice.text for choice in echoed.choices] == ["Hello" + choice.text for choice in whole.choices]


def test_a_client_that_leaves_ends_every_choice(node: NodeThread, http: httpx2.Client) -> None:
    before = node.run(all_receipts)
    body = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 400, "ignore_eos": True, "n": 4, "stream": True}

    with http.stream("POST", "/v1/completions", json=body) as stream:
        lines = stream.iter_lines()
        while '"index":3' not in next(lines):
            pass
    receipt = receipt_after(node, before)

    assert receipt.status == 1
    assert 4 <= receipt.tokens_out < 4 * 400
    for _ in range(500):
        stats = node.world.service.stats()
        if stats.running + stats.waiting == 0:
            break
        time.sleep(0.02)
    assert stats.running + stats.waiting == 0


# ── structured outputs ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("temperature", [0, 1.0, 1.8])
def test_a_schema_is_kept_by_every_choice(sdk: openai.OpenAI, adapter: StarterAdapter, temperature: float) -> None:
    answer = sdk.chat.completions.create(
        **asked(adapter, n=3, max_tokens=ENOUGH, temperature=temperature, response_format=SCHEMA)
    )

    for choice in answer.choices:
        assert choice.finish_reason == "stop"
        Finding.model_validate_json(choice.message.content or "")


def test_the_parse_helper_gives_a_value(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    answer = sdk.chat.completions.parse(**asked(adapter, max_tokens=ENOUGH, response_format=Finding))

    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Finding)
    assert parsed == Finding.model_validate_json(answer.choices[0].message.content or "")


def test_the_parse_helper_reads_a_stream(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    with sdk.chat.completions.stream(**asked(adapter, max_tokens=ENOUGH, response_format=Finding)) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion().choices[0].message

    whole = sdk.chat.completions.parse(**asked(adapter, max_tokens=ENOUGH, response_format=Finding)).choices[0].message
    assert streamed.parsed == whole.parsed
    assert streamed.parsed is not None


def test_a_json_object_is_one_whole_object(sdk: openai.OpenAI, node: NodeThread, adapter: StarterAdapter) -> None:
    # without a schema only the model itself comes to an end, so the ends of texts and objects are made likely
    vocabulary = node.world.service.token_text
    ends = {str(token): 12.0 for token in range(1024) if vocabulary(token).content in (b'"', b"}")}

    answer = sdk.chat.completions.create(
        **asked(adapter, max_tokens=ENOUGH, logit_bias=ends, response_format={"type": "json_object"})
    )

    assert answer.choices[0].finish_reason == "stop"
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_plain_completions_follow_a_schema_too(sdk: openai.OpenAI) -> None:
    answer = sdk.completions.create(
        model=BASE_NAME, prompt="Answer: ", max_tokens=ENOUGH, temperature=0, extra_body={"response_format": SCHEMA}
    )

    Finding.model_validate_json(answer.choices[0].text)


def test_a_schema_that_cannot_be_kept_is_refused_with_the_reason(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    wanted = {"type": "json_schema", "json_schema": {"name": "numbers", "schema": schema}}

    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(**asked(adapter, response_format=wanted))

    assert refused.value.param == "response_format"
    assert "uniqueItems" in refused.value.message


def test_another_kind_of_format_is_refused_by_name(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(**asked(adapter, response_format={"type": "structural_tag"}))

    assert (refused.value.code, refused.value.param) == ("unsupported_field", "response_format")
