"""Sampling and logprobs fields through the official OpenAI client, streaming and not."""

import math
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_chunk import ChatCompletionChunk

from node.dev.starter import BASE_NAME, StarterAdapter

GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 12}


def chat(sdk: openai.OpenAI, adapter: StarterAdapter, **more: Any) -> ChatCompletion:
    messages = [{"role": "user", "content": adapter.example}]
    made: ChatCompletion = sdk.chat.completions.create(model=adapter.name, messages=messages, **GREEDY | more)  # type: ignore[call-overload]
    return made


def stream(sdk: openai.OpenAI, adapter: StarterAdapter, **more: Any) -> list[ChatCompletionChunk]:
    messages = [{"role": "user", "content": adapter.example}]
    return list(
        sdk.chat.completions.create(model=adapter.name, messages=messages, stream=True, **GREEDY | more)  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("stop", [None, "a"])
def test_chat_logprobs_are_typed_and_the_same_in_a_stream(
    sdk: openai.OpenAI, adapter: StarterAdapter, stop: str | None
) -> None:
    completion = chat(sdk, adapter, logprobs=True, top_logprobs=3, stop=stop)
    chunks = stream(sdk, adapter, logprobs=True, top_logprobs=3, stop=stop)

    ChatCompletion.model_validate(completion.model_dump(), strict=True)
    choice, usage = completion.choices[0], completion.usage
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert usage is not None
    content = choice.logprobs.content
    assert len(content) == usage.completion_tokens
    for token in content:
        assert bytes(token.bytes or ()).decode() == token.token
        assert [one.logprob for one in token.top_logprobs] == sorted(
            (t.logprob for t in token.top_logprobs), reverse=True
        )
        assert (token.top_logprobs[0].token, token.top_logprobs[0].logprob) == (token.token, token.logprob)
        assert len(token.top_logprobs) == 3
    text = choice.message.content or ""
    assert "".join(token.token for token in content).startswith(text)
    parts = [chunk.choices[0].logprobs for chunk in chunks]
    streamed = [token for part in parts if part is not None for token in part.content or []]
    assert [token.token for token in streamed] == [token.token for token in content]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text


def test_logprobs_are_null_unless_asked_for(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    assert chat(sdk, adapter).choices[0].logprobs is None
    assert all(chunk.choices[0].logprobs is None for chunk in stream(sdk, adapter, logprobs=False))


def test_plain_logprobs_say_where_each_token_begins(sdk: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": BASE_NAME, "prompt": "Hello", "seed": 3, "max_tokens": 10, "logprobs": 2}

    choice = sdk.completions.create(**asked).choices[0]
    parts = [chunk.choices[0].logprobs for chunk in sdk.completions.create(**asked, stream=True)]

    told = choice.logprobs
    assert told is not None
    assert told.tokens is not None
    assert told.token_logprobs is not None
    assert told.text_offset is not None
    assert told.top_logprobs is not None
    for token, logprob, offset, top in zip(
        told.tokens, told.token_logprobs, told.text_offset, told.top_logprobs, strict=True
    ):
        assert choice.text[offset:].startswith(token) or token.startswith(("<", "bytes:"))
        assert top[token] == logprob <= 0
        assert 2 <= len(top) <= 3
    assert [offset for part in parts if part for offset in part.text_offset or []] == told.text_offset
    assert [token for part in parts if part for token in part.tokens or []] == told.tokens


def test_top_logprobs_are_probabilities_of_the_model_whatever_the_sampling(
    sdk: openai.OpenAI, adapter: StarterAdapter
) -> None:
    plain = chat(sdk, adapter, logprobs=True, top_logprobs=20, max_tokens=1)
    biased = chat(sdk, adapter, logprobs=True, top_logprobs=20, max_tokens=1, logit_bias={"300": 100})

    first, other = (each.choices[0].logprobs.content[0] for each in (plain, biased))  # type: ignore[union-attr,index]
    assert first.token != other.token
    assert [one.logprob for one in first.top_logprobs] == [one.logprob for one in other.top_logprobs]
    assert 0.5 < sum(math.exp(one.logprob) for one in first.top_logprobs) <= 1 + 1e-9


@pytest.mark.parametrize("streamed", [False, True])
def test_a_biased_token_comes_again_and_again_unless_it_is_penalised(
    sdk: openai.OpenAI, adapter: StarterAdapter, *, streamed: bool
) -> None:
    def text(**more: Any) -> str:
        if streamed:
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream(sdk, adapter, **more))
        return chat(sdk, adapter, **more).choices[0].message.content or ""

    forced = text(logit_bias={"300": 25})
    varied = text(
        logit_bias={"300": 25}, frequency_penalty=2, presence_penalty=2, extra_body={"repetition_penalty": 10}
    )

    assert forced == forced[: len(forced) // 12] * 12
    assert varied != forced


def test_a_seed_draws_the_same_text_with_every_field_set(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    asked: dict[str, Any] = {
        "temperature": 1.5,
        "seed": 11,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "extra_body": {"min_p": 0.01, "min_tokens": 4, "top_k": 50, "repetition_penalty": 1.1, "stop_token_ids": [9]},
    }

    whole = chat(sdk, adapter, **asked).choices[0].message.content
    again = "".join(chunk.choices[0].delta.content or "" for chunk in stream(sdk, adapter, **asked))

    assert whole == again


def test_min_tokens_puts_off_the_end(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    usual = chat(sdk, adapter, max_tokens=120)
    count = usual.usage.completion_tokens if usual.usage else 0

    longer = chat(sdk, adapter, max_tokens=120, extra_body={"min_tokens": count + 3})

    assert usual.choices[0].finish_reason == "stop"
    assert longer.usage is not None
    assert longer.usage.completion_tokens > count + 3 or longer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("prompt", ["Hello  there", [300, 301, 302]])
def test_an_echo_comes_before_the_output(sdk: openai.OpenAI, prompt: str | list[int]) -> None:
    asked: dict[str, Any] = {"model": BASE_NAME, "prompt": prompt, "max_tokens": 4, "temperature": 0}

    plain = sdk.completions.create(**asked)
    echoed = sdk.completions.create(**asked, echo=True)
    streamed = sdk.completions.create(**asked, echo=True, stream=True)

    text = echoed.choices[0].text
    assert text.endswith(plain.choices[0].text)
    assert not isinstance(prompt, str) or text == prompt + plain.choices[0].text
    assert len(text) > len(plain.choices[0].text)
    assert echoed.usage == plain.usage
    assert "".join(chunk.choices[0].text for chunk in streamed) == text
