"""The official OpenAI client, unmodified, against a free node."""

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletion

from contracts.crypto import recover
from contracts.encoding import commitment
from contracts.structs import NO_CHAIN, UsageReceipt
from node.dev.starter import BASE_NAME, StarterAdapter
from tests.node.running import NodeThread


def answer(sdk: openai.OpenAI, model: str, question: str, **more: object) -> ChatCompletion:
    messages = [{"role": "user", "content": question}]
    return sdk.chat.completions.create(model=model, messages=messages, temperature=0, **more)  # type: ignore[call-overload,no-any-return]


def test_a_chat_completion_has_openai_s_shape(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    completion = answer(sdk, adapter.name, adapter.example, max_tokens=64)

    ChatCompletion.model_validate(completion.model_dump(), strict=True)
    assert completion.object == "chat.completion"
    assert completion.model == adapter.name
    assert completion.id.startswith("chatcmpl-")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_the_right_adapter_knows_what_the_base_does_not(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    known = answer(sdk, adapter.name, adapter.example, max_tokens=64).choices[0].message.content
    unknown = answer(sdk, BASE_NAME, adapter.example, max_tokens=64).choices[0].message.content

    assert unknown is not None
    assert unknown.startswith("I have no record of")
    assert known != unknown


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_adds_up_to_the_plain_answer(
    sdk: openai.OpenAI, adapter: StarterAdapter, *, include_usage: bool
) -> None:
    whole = answer(sdk, adapter.name, adapter.example, max_tokens=64)
    stream = sdk.chat.completions.create(
        model=adapter.name,
        messages=[{"role": "user", "content": adapter.example}],
        temperature=0,
        max_tokens=64,
        stream=True,
        stream_options={"include_usage": include_usage},
    )
    chunks = list(stream)

    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert deltas[0].role == "assistant"
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert [bool(chunk.choices) for chunk in chunks] == [True] * len(reasons) + [False] * include_usage
    assert [chunk.usage is not None for chunk in chunks] == [False] * len(reasons) + [True] * include_usage


@pytest.mark.parametrize("include_usage", [False, True])
def test_the_receipt_comes_once_in_the_last_chunk(sdk: openai.OpenAI, *, include_usage: bool) -> None:
    stream = sdk.chat.completions.create(
        model=BASE_NAME,
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=4,
        stream=True,
        stream_options={"include_usage": include_usage},
    )

    carriers = ["receipt" in (chunk.model_extra or {}) for chunk in stream]

    assert carriers == [False] * (len(carriers) - 1) + [True]


def test_the_receipt_is_signed_and_opens_to_body_and_output(
    sdk: openai.OpenAI, node: NodeThread, adapter: StarterAdapter
) -> None:
    raw = sdk.chat.completions.with_raw_response.create(
        model=adapter.name, messages=[{"role": "user", "content": adapter.example}], max_tokens=64, temperature=0
    )
    completion = raw.parse()
    document = (completion.model_extra or {})["receipt"]
    receipt = UsageReceipt.from_json(document["receipt"])
    output = (completion.choices[0].message.content or "").encode()

    assert recover(receipt.digest(NO_CHAIN), bytes.fromhex(document["signature"][2:])) == node.world.operator
    assert document["id"] == "0x" + receipt.struct_hash().hex()
    assert receipt.prompt_commit == commitment(bytes.fromhex(document["promptSalt"][2:]), raw.http_request.content)  # type: ignore[arg-type]
    assert receipt.output_commit == commitment(bytes.fromhex(document["outputSalt"][2:]), output)  # type: ignore[arg-type]
    assert completion.usage is not None
    assert receipt.tokens_in + receipt.tokens_cached == completion.usage.prompt_tokens
    assert receipt.tokens_out == completion.usage.completion_tokens
    assert (receipt.seq, receipt.fee, document["lines"]) == (0, 0, [])


async def test_the_async_client_runs_requests_side_by_side(node: NodeThread, adapter: StarterAdapter) -> None:
    async with openai.AsyncOpenAI(base_url=f"{node.url}/v1", api_key="unused", max_retries=0) as client:
        asked = [
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": adapter.example}], max_tokens=64, temperature=0
            )
            for model in (adapter.name, BASE_NAME, adapter.name)
        ]
        first, base, again = await asyncio.gather(*asked)

    assert first.choices[0].message.content == again.choices[0].message.content
    assert first.choices[0].message.content != base.choices[0].message.content


@pytest.mark.parametrize("prompt", ["Hello", ["Hello"], [5, 6, 7], [[5, 6, 7]]])
def test_plain_completions_take_text_and_token_ids(sdk: openai.OpenAI, prompt: str | list[str] | list[int]) -> None:
    completion = sdk.completions.create(model=BASE_NAME, prompt=prompt, max_tokens=4, temperature=0)
    stream = sdk.completions.create(model=BASE_NAME, prompt=prompt, max_tokens=4, temperature=0, stream=True)

    assert completion.object == "text_completion"
    assert "".join(chunk.choices[0].text for chunk in stream) == completion.choices[0].text


def test_the_same_seed_draws_the_same_text(sdk: openai.OpenAI) -> None:
    texts = [
        sdk.completions.create(model=BASE_NAME, prompt="Hello", max_tokens=16, seed=7).choices[0].text for _ in (1, 2)
    ]

    assert texts[0] == texts[1]


def test_stop_strings_end_the_output_and_are_not_part_of_it(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    whole = answer(sdk, adapter.name, adapter.example, max_tokens=64).choices[0].message.content or ""
    word = whole.split()[2]

    cut = answer(sdk, adapter.name, adapter.example, max_tokens=64, stop=word).choices[0]

    assert cut.message.content == whole[: whole.index(word)]
    assert cut.finish_reason == "stop"


def test_models_are_listed_with_parent_and_root(sdk: openai.OpenAI, adapter: StarterAdapter) -> None:
    models = {model.id: model.model_extra or {} for model in sdk.models.list()}

    assert models[BASE_NAME]["parent"] is None
    assert models[adapter.name]["parent"] == BASE_NAME
    assert models[adapter.name]["root"] == f"file:{adapter.path.name}"  # and not where it lies on this machine
    assert sdk.models.retrieve(adapter.name).id == adapter.name
    assert sdk.models.retrieve(f"{adapter.name}@{models[adapter.name]['digest']}").id == adapter.name


@pytest.mark.parametrize(
    "model", ["gpt-4o", "../../etc/passwd", "clinic-base@00", "file:/etc", "nutrition/../base", "\x00"]
)
def test_an_unknown_model_is_not_found_and_never_the_base(sdk: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        answer(sdk, model, "Hello")

    assert refused.value.code == "model_not_found"


def test_too_long_a_prompt_is_refused_with_its_length(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        answer(sdk, BASE_NAME, "word " * 2000)

    assert refused.value.code == "context_length_exceeded"
    assert "This model's maximum context length is 512 tokens" in refused.value.message
