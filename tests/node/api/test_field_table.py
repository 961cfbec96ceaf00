"""Every field that OpenAI's and vLLM's clients send, on both endpoints: served or refused by name, never ignored."""

from typing import Any, Literal

import httpx2
import pytest

from node.dev.starter import BASE_NAME

CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"model": BASE_NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4},
    PLAIN: {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 4},
}
SERVED, REFUSED = "served", "refused"
Verdict = Literal["served", "refused"]
TABLE: dict[str, tuple[object, Verdict, Verdict]] = {
    # field: a value that means something, the verdict for chat, the verdict for plain completions
    "max_completion_tokens": (4, SERVED, REFUSED),
    "stop": (["x"], SERVED, SERVED),
    "seed": (5, SERVED, SERVED),
    "temperature": (0.5, SERVED, SERVED),
    "top_p": (0.5, SERVED, SERVED),
    "presence_penalty": (0.5, SERVED, SERVED),
    "frequency_penalty": (0.5, SERVED, SERVED),
    "logit_bias": ({"5": 1}, SERVED, SERVED),
    "top_k": (5, SERVED, SERVED),
    "min_p": (0.1, SERVED, SERVED),
    "repetition_penalty": (1.1, SERVED, SERVED),
    "stop_token_ids": ([7], SERVED, SERVED),
    "ignore_eos": (True, SERVED, SERVED),
    "min_tokens": (2, SERVED, SERVED),
    "n": (2, SERVED, SERVED),
    "response_format": ({"type": "json_object"}, SERVED, SERVED),
    "echo": (True, REFUSED, SERVED),
    "best_of": (2, REFUSED, REFUSED),
    "suffix": ("x", REFUSED, REFUSED),
    "tools": ([{"type": "function", "function": {"name": "f"}}], REFUSED, REFUSED),
    "tool_choice": ("auto", REFUSED, REFUSED),
    "parallel_tool_calls": (True, SERVED, SERVED),
    "functions": ([{"name": "f"}], REFUSED, REFUSED),
    "function_call": ("auto", REFUSED, REFUSED),
    "user": ("somebody", SERVED, SERVED),
    "metadata": ({"a": "b"}, REFUSED, REFUSED),
    "store": (True, REFUSED, REFUSED),
    "service_tier": ("flex", REFUSED, REFUSED),
    "reasoning_effort": ("low", REFUSED, REFUSED),
    "modalities": (["text", "audio"], REFUSED, REFUSED),
    "prediction": ({"type": "content", "content": "x"}, REFUSED, REFUSED),
    "audio": ({"voice": "alloy", "format": "wav"}, REFUSED, REFUSED),
    "web_search_options": ({}, REFUSED, REFUSED),
    "safety_identifier": ("x", SERVED, SERVED),
    "prompt_cache_key": ("x", SERVED, SERVED),
    "verbosity": ("low", REFUSED, REFUSED),
    "chat_template": ("x", REFUSED, REFUSED),
    "chat_template_kwargs": ({"a": 1}, REFUSED, REFUSED),
    "add_generation_prompt": (False, REFUSED, REFUSED),
    "cache_salt": ("x", SERVED, SERVED),
    "priority": (1, REFUSED, REFUSED),
    "request_id": ("x", REFUSED, REFUSED),
    "session_id": ("x", REFUSED, REFUSED),
    "prompt_logprobs": (1, REFUSED, REFUSED),
    "skip_special_tokens": (False, REFUSED, REFUSED),
    "use_beam_search": (True, REFUSED, REFUSED),
    "truncate_prompt_tokens": (4, REFUSED, REFUSED),
    "return_token_ids": (True, REFUSED, REFUSED),
    "guided_json": ({}, REFUSED, REFUSED),
    "guided_regex": ("x", REFUSED, REFUSED),
    "guided_choice": (["x"], REFUSED, REFUSED),
    "guided_grammar": ("x", REFUSED, REFUSED),
    "structured_outputs": ({"json": {}}, REFUSED, REFUSED),
}


@pytest.mark.parametrize("path", [CHAT, PLAIN])
@pytest.mark.parametrize("field", TABLE)
def test_a_field_is_served_or_refused_by_name(http: httpx2.Client, path: str, field: str) -> None:
    value, chat, plain = TABLE[field]
    body = {**ASKED[path], field: value}
    if field == "max_completion_tokens":
        body.pop("max_tokens")

    answer = http.post(path, json=body)

    if (chat if path == CHAT else plain) == SERVED:
        assert answer.status_code == 200, answer.text
    else:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_field", field)


CHANGES_NOTHING: dict[str, list[object]] = {
    "parallel_tool_calls": [False, True],
    "metadata": [{}],
    "reasoning_effort": ["none"],
    "user": ["", "somebody"],
    "safety_identifier": ["x"],
    "prompt_cache_key": ["x"],
    "store": [False],
    "service_tier": ["auto", "default"],
    "modalities": [["text"]],
    "verbosity": ["medium"],
    "tools": [[]],
    "tool_choice": ["none"],
    "best_of": [1, 1.0],
    "length_penalty": [1, 1.0],
    "skip_special_tokens": [True],
    "use_beam_search": [False],
    "chat_template_kwargs": [{}],
    "prompt_cache_retention": ["in_memory"],
}
CHANGES_SOMETHING: dict[str, list[object]] = {
    "parallel_tool_calls": ["false", 0],
    "metadata": [[], {"a": "b"}],
    "reasoning_effort": ["", "minimal", False],
    "user": [1, ["x"], "x" * 513],
    "safety_identifier": [{}],
    "prompt_cache_key": [True],
    "store": [0, True],
    "modalities": [[], ["audio"]],
    "tool_choice": [{"type": "function", "function": {"name": "f"}}, "required"],
    "best_of": [True, 2],
    "length_penalty": [0.5],
    "prompt_cache_retention": ["24h"],
}


@pytest.mark.parametrize("path", [CHAT, PLAIN])
@pytest.mark.parametrize("field", CHANGES_NOTHING)
def test_a_value_that_changes_nothing_changes_nothing(http: httpx2.Client, path: str, field: str) -> None:
    asked = {**ASKED[path], "temperature": 0}
    plain = http.post(path, json=asked).json()["choices"]

    for value in CHANGES_NOTHING[field]:
        answer = http.post(path, json={**asked, field: value})

        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"] == plain


@pytest.mark.parametrize("path", [CHAT, PLAIN])
@pytest.mark.parametrize("field", CHANGES_SOMETHING)
def test_the_other_values_of_such_a_field_are_refused_by_name(http: httpx2.Client, path: str, field: str) -> None:
    for value in CHANGES_SOMETHING[field]:
        error = http.post(path, json={**ASKED[path], field: value}).json()["error"]

        assert (error["code"], error["param"]) == ("unsupported_field", field)
        assert "{{" not in error["message"]


@pytest.mark.parametrize(
    "more",
    [{"name": "Ada"}, {"name": None}, {"tool_calls": []}, {"annotations": [], "refusal": None}, {"audio": None}],
)
def test_members_of_a_message_that_change_nothing_are_accepted(http: httpx2.Client, more: dict[str, object]) -> None:
    plain = [{"role": "assistant", "content": "Yes"}, {"role": "user", "content": "Hello"}]
    asked = {**ASKED[CHAT], "temperature": 0, "messages": plain}
    changed = {**asked, "messages": [{**plain[0], **more}, plain[1]]}

    answers = [http.post(CHAT, json=body) for body in (asked, changed)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["choices"] == answers[1].json()["choices"]


@pytest.mark.parametrize("more", [{"name": 5}, {"name": "a b"}, {"tool_calls": [{"id": "x"}]}, {"tool_call_id": "x"}])
def test_members_of_a_message_that_change_something_are_refused(http: httpx2.Client, more: dict[str, object]) -> None:
    body = {**ASKED[CHAT], "messages": [{"role": "user", "content": "Hello", **more}]}
    error = http.post(CHAT, json=body).json()["error"]

    assert (error["code"], error["param"]) == ("unsupported_field", f"messages.0.{next(iter(more))}")


@pytest.mark.parametrize("path", [CHAT, PLAIN])
def test_a_stream_without_padding_is_what_this_node_sends(http: httpx2.Client, path: str) -> None:
    def answered(*, padding: bool) -> httpx2.Response:
        options = {"include_usage": True, "include_obfuscation": padding}
        return http.post(path, json={**ASKED[path], "stream": True, "stream_options": options})

    assert answered(padding=False).status_code == 200
    assert answered(padding=True).json()["error"]["param"] == "stream_options.include_obfuscation"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        (CHAT, {"response_format": {"type": "json_object", "more": 1}}),
        (PLAIN, {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}}),
    ],
)
def test_braces_in_a_message_are_single(http: httpx2.Client, path: str, body: dict[str, object]) -> None:
    message = http.post(path, json={**ASKED[path], **body}).json()["error"]["message"]

    assert "{{" not in message
    assert "}}" not in message


NULL_MEANS_NOTHING = [
    *("n", "best_of", "tools", "tool_choice", "functions", "response_format", "stop", "seed", "logit_bias", "user"),
    *("metadata", "store", "service_tier", "reasoning_effort", "prediction", "audio", "cache_salt", "prompt_logprobs"),
]


@pytest.mark.parametrize("path", [CHAT, PLAIN])
def test_null_is_the_default_of_every_field(http: httpx2.Client, path: str) -> None:
    assert http.post(path, json={**ASKED[path], **dict.fromkeys(NULL_MEANS_NOTHING)}).status_code == 200


@pytest.mark.parametrize("path", [CHAT, PLAIN])
def test_continuous_usage_counts_up_to_the_last_usage(http: httpx2.Client, path: str) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {**ASKED[path], "n": 2, "ignore_eos": True, "stream": True, "stream_options": options}

    with http.stream("POST", path, json=body) as stream:
        chunks = [httpx2.Response(200, content=line[6:]).json() for line in stream.iter_lines() if "{" in line]

    usages = [chunk["usage"] for chunk in chunks]
    counts = [usage["completion_tokens"] for usage in usages]
    assert counts == sorted(counts)
    assert counts[-1] == 8
    assert {usage["prompt_tokens"] for usage in usages} == {usages[-1]["prompt_tokens"]}
    assert all(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] for usage in usages)


@pytest.mark.parametrize(
    "options", [{"continuous_usage_stats": True}, {"include_usage": 1}, {"include_usage": True, "more": 1}]
)
def test_stream_options_that_mean_nothing_are_refused(http: httpx2.Client, options: dict[str, object]) -> None:
    error = http.post(CHAT, json={**ASKED[CHAT], "stream": True, "stream_options": options}).json()["error"]

    assert error["param"].startswith("stream_options")
