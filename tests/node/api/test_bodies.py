"""What a body asks for, and the words in which a wrong one is refused."""

import json
from typing import Any

import pytest

from node.api.bodies import ChatBody, CompletionBody, parse
from node.api.errors import ApiError, InvalidBody, UnsupportedField
from serving.types import ChatMessage, ChatPrompt, TextPrompt, TokenPrompt

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
TEXT: dict[str, Any] = {"model": "m", "prompt": "Hello"}


def chat(**fields: object) -> ChatBody:
    return parse(ChatBody, json.dumps({**CHAT, **fields}).encode())


def text(**fields: object) -> CompletionBody:
    return parse(CompletionBody, json.dumps({**TEXT, **fields}).encode())


def test_developer_messages_are_system_messages_and_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    prompt = chat(messages=[{"role": "developer", "content": "x"}, {"role": "user", "content": parts}]).as_prompt()

    assert prompt == ChatPrompt((ChatMessage("system", "x"), ChatMessage("user", "ab")))


def test_a_prompt_is_a_text_or_token_ids() -> None:
    assert text(prompt=["Hi"]).as_prompt() == TextPrompt("Hi")
    assert text(prompt=[5, 6]).as_prompt() == text(prompt=[[5, 6]]).as_prompt() == TokenPrompt((5, 6))


def test_the_newer_name_of_the_limit_wins_unless_they_differ() -> None:
    assert chat(max_completion_tokens=7).max_new_tokens == 7
    assert chat(max_completion_tokens=7, max_tokens=7).max_new_tokens == 7
    with pytest.raises(InvalidBody, match="differ"):
        chat(max_completion_tokens=7, max_tokens=8)


def test_no_top_k_is_spelled_as_in_vllm() -> None:
    assert chat(top_k=-1).sampling().top_k == 0


REFUSALS: list[tuple[type[ChatBody] | type[CompletionBody], dict[str, object], str]] = [
    (CompletionBody, {"prompt": ["a", "b"]}, "prompt"),
    (ChatBody, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
    (ChatBody, {"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    (ChatBody, {"response_format": {"type": "json_schema"}}, "response_format"),
    (ChatBody, {"response_format": {"type": "json_object", "schema": {}}}, "response_format"),
    (ChatBody, {"response_format": {"type": "grammar"}}, "response_format"),
    (
        ChatBody,
        {"response_format": {"type": "json_schema", "json_schema": {"name": "{a}", "schema": {}}}},
        "response_format",
    ),
    (ChatBody, {"logit_bias": {str(token): 1 for token in range(301)}}, "logit_bias"),
    (CompletionBody, {"echo": True, "logprobs": 1}, "echo"),
    (ChatBody, {"stop": ["a"] * 5}, "stop"),
    (ChatBody, {"tools": [{"type": "function"}]}, "tools"),
    (ChatBody, {"nonsense{}": 1}, "nonsense{}"),
]


def refusal(model: type[ChatBody] | type[CompletionBody], fields: dict[str, object]) -> ApiError:
    with pytest.raises(ApiError) as refused:
        parse(model, json.dumps({**(CHAT if model is ChatBody else TEXT), **fields}).encode())
    return refused.value


@pytest.mark.parametrize(("model", "fields", "param"), REFUSALS)
def test_refusals_name_their_field_and_show_no_template(
    model: type[ChatBody] | type[CompletionBody], fields: dict[str, object], param: str
) -> None:
    error = refusal(model, fields)

    assert getattr(error, "param", None) == param
    message = str(error).replace(param, "")
    assert "{{" not in message
    assert "}}" not in message
    assert "{most}" not in message
    assert "{field}" not in message


def test_an_example_in_a_message_can_be_copied() -> None:
    message = str(refusal(ChatBody, {"response_format": {"type": "json_schema"}}))

    assert '{"type": "json_object"}' in message


@pytest.mark.parametrize(("model", "fields", "param"), REFUSALS)
def test_only_fields_that_have_a_default_are_to_be_left_out(
    model: type[ChatBody] | type[CompletionBody], fields: dict[str, object], param: str
) -> None:
    field = model.model_fields.get(param.partition(".")[0])
    is_unknown = field is None
    error = refusal(model, fields)

    assert ("Leave it out" in str(error)) == (isinstance(error, UnsupportedField) and is_unknown)


def test_what_switches_a_field_off_is_shown_as_json() -> None:
    assert "supports only false" in str(refusal(ChatBody, {"store": True}))
    assert 'supports only ["text"]' in str(refusal(ChatBody, {"modalities": ["audio"]}))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"5", b'{"model": NaN}', b"\xff"])
def test_bodies_that_are_no_json_objects_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidBody):
        parse(ChatBody, raw)
