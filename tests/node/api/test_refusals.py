"""What the node does not do, it says: by field, by code, and without reading more than it must."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from node.dev.starter import BASE_NAME

CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {"model": BASE_NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}


def refusal(http: httpx2.Client, path: str, body: dict[str, Any]) -> tuple[int, str, str | None]:
    answer = http.post(path, json=body)
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return answer.status_code, error["code"], error["param"]


UNSUPPORTED = {
    "best_of": 2,
    "echo": True,
    "prompt_logprobs": 1,
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
    "user": ["somebody"],
    "metadata": {"a": "b"},
    "guided_json": {},
    "temprature": 0.1,
}


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_an_unsupported_field_is_named_and_never_ignored(http: httpx2.Client, field: str) -> None:
    assert refusal(http, CHAT, {**ASKED, field: UNSUPPORTED[field]}) == (400, "unsupported_field", field)


OFF = {"n": 1, "logprobs": False, "presence_penalty": 0, "tools": [], "logit_bias": {}, "user": None, "stop": None}


def test_values_that_switch_a_field_off_are_accepted(http: httpx2.Client) -> None:
    assert http.post(CHAT, json={**ASKED, **OFF, "response_format": {"type": "text"}}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 3),
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_p", 0),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("seed", 1 << 64),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", 5),
        ("logprobs", 3),
        ("top_logprobs", 3),
        ("presence_penalty", 2.1),
        ("frequency_penalty", -2.1),
        ("frequency_penalty", "1"),
        ("repetition_penalty", 0),
        ("repetition_penalty", 11),
        ("min_p", 1.1),
        ("min_tokens", -1),
        ("min_tokens", 3),
        ("stop_token_ids", [-1]),
        ("stop_token_ids", [10**6]),
        ("stop_token_ids", list(range(65))),
        ("logit_bias", {"5": 101}),
        ("logit_bias", {"5": "1"}),
        ("logit_bias", {"5": True}),
        ("logit_bias", {"05": 1}),
        ("logit_bias", {"word": 1}),
        ("logit_bias", {"1000000": 1}),
        ("logit_bias", {str(token): 1 for token in range(301)}),
        ("logit_bias", [5]),
        ("stream", "yes"),
        ("stream_options", {"include_usage": True}),
        ("messages", []),
        ("messages", "Hello"),
        ("model", None),
        ("model", ""),
        ("max_completion_tokens", 3),
        ("cache_salt", ""),
        ("cache_salt", "x" * 257),
        ("n", 0),
        ("n", 17),
        ("n", 1.5),
        ("n", True),
        ("response_format", "json"),
        ("response_format", {}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_object", "json_schema": {}}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {}}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": True}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": 1}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "more": 1}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "thing"}}}),
    ],
)
def test_a_wrong_value_is_named(http: httpx2.Client, field: str, value: object) -> None:
    status, code, param = refusal(http, CHAT, {**ASKED, field: value})

    assert (status, code) == (400, "invalid_request")
    assert param is not None
    assert param.split(".")[0] in (field, "max_tokens")


def test_more_top_logprobs_than_are_told_are_refused(http: httpx2.Client) -> None:
    plain = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 1}

    assert refusal(http, CHAT, {**ASKED, "logprobs": True, "top_logprobs": 21})[1:] == (
        "invalid_request",
        "top_logprobs",
    )
    assert refusal(http, "/v1/completions", {**plain, "logprobs": 21})[1:] == ("invalid_request", "logprobs")


def test_an_echo_with_logprobs_is_refused_by_name(http: httpx2.Client) -> None:
    body = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 1, "echo": True, "logprobs": 0}

    assert refusal(http, "/v1/completions", body) == (400, "unsupported_field", "echo")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x"},
        {"role": "user"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]},
        {"role": "user", "content": 5},
        {"role": "user", "content": "x", "name": "b o b"},
        {"role": "assistant", "content": "x", "tool_calls": [{}]},
    ],
)
def test_messages_this_node_cannot_read_are_refused_by_place(http: httpx2.Client, message: dict[str, Any]) -> None:
    status, _, param = refusal(http, CHAT, {**ASKED, "messages": [message]})

    assert status == 400
    assert param is not None
    assert param.startswith("messages.0")


def test_text_parts_are_joined(http: httpx2.Client) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    body = {**ASKED, "temperature": 0, "max_tokens": 8}

    whole = http.post(CHAT, json=body).json()["choices"]
    joined = http.post(CHAT, json={**body, "messages": [{"role": "user", "content": parts}]}).json()["choices"]

    assert whole == joined


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'{"a":NaN}', b"\xff", b"[" * 90_000, b'{"model":"\\ud800"}']
)
def test_a_body_that_is_no_json_object_is_refused(http: httpx2.Client, raw: bytes) -> None:
    answer = http.post(CHAT, content=raw)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("prompt", [[], "", [[]], [1, "a"], ["a", "b"], [-1], [10**9], [True], {"a": 1}])
def test_a_plain_prompt_must_be_one_text_or_one_list_of_token_ids(http: httpx2.Client, prompt: object) -> None:
    status, code, _ = refusal(http, "/v1/completions", {"model": BASE_NAME, "prompt": prompt, "max_tokens": 1})

    assert status == 400
    assert code in ("invalid_request", "unsupported_field")


def test_a_large_body_is_refused_by_its_announced_length(http: httpx2.Client) -> None:
    answer = http.post(CHAT, content=b"x" * 100_001)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_a_large_body_without_a_length_is_refused_as_it_grows(http: httpx2.Client) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 10_000
            yield b"x" * 10_000

    try:
        status = http.post(CHAT, content=chunks()).status_code
    except httpx2.TransportError:
        status = 413  # the node hung up while we were still sending

    assert status == 413
    assert sent < 50_000_000


def test_the_request_id_is_echoed_or_made(http: httpx2.Client) -> None:
    assert http.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert http.get("/healthz").headers["X-Request-Id"]
    assert http.get("/nope").json()["request_id"]
    assert " " not in http.get("/healthz", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"]


def test_other_paths_answer_with_problem_details(http: httpx2.Client) -> None:
    answer = http.get("/adapters/nope")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "model_not_found"
    assert answer.json()["status"] == answer.status_code == 404
    assert http.post("/healthz").json()["code"] == "method_not_allowed"
    assert http.get("/nodes/me/quote", params={"model": BASE_NAME}).json()["code"] == "not_offered"
    assert http.get("/receipts/0x12").json() | {"request_id": ""} == {
        "type": "urn:openlora:error:invalid_request",
        "title": "The request is malformed",
        "status": 400,
        "detail": "id: expected 0x and 64 hex digits, got '0x12'",
        "code": "invalid_request",
        "request_id": "",
        "param": "id",
    }


def test_the_node_serves_on_after_bad_requests(http: httpx2.Client) -> None:
    http.post(CHAT, content=json.dumps(ASKED)[:-5])

    assert http.post(CHAT, json=ASKED).status_code == 200
