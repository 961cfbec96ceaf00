"""The JSON of a stream adds up to the JSON of a whole answer."""

import json
from typing import Any

import httpx2
import pytest

from node.api.completion_shape import usage_json
from node.dev.starter import BASE_NAME
from serving.types import Usage

BODY: dict[str, Any] = {"model": BASE_NAME, "max_tokens": 6, "temperature": 0, "ignore_eos": True}
PATHS = {
    "/v1/completions": {"prompt": "Hello"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
}


def chunks(http: httpx2.Client, path: str, **more: object) -> list[dict[str, Any]]:
    with http.stream("POST", path, json={**BODY, **PATHS[path], "stream": True, **more}) as stream:
        lines = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def texts(path: str, parts: list[dict[str, Any]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in parts:
        for choice in part["choices"]:
            piece = choice["text"] if path == "/v1/completions" else choice["delta"].get("content", "")
            found[choice["index"]] = found.get(choice["index"], "") + piece
    return found


def test_cached_tokens_are_part_of_openai_s_prompt_tokens() -> None:
    usage = usage_json(Usage(prompt_tokens=3, cached_tokens=16, output_tokens=5))

    assert usage == {
        "prompt_tokens": 19,
        "completion_tokens": 5,
        "total_tokens": 24,
        "prompt_tokens_details": {"cached_tokens": 16},
    }


@pytest.mark.parametrize("path", PATHS)
def test_the_pieces_of_a_stream_are_the_whole_answer(http: httpx2.Client, path: str) -> None:
    whole = http.post(path, json={**BODY, **PATHS[path], "n": 2, "seed": 5}).json()
    streamed = chunks(http, path, n=2, seed=5)

    expected = {
        choice["index"]: choice["text"] if path == "/v1/completions" else choice["message"]["content"]
        for choice in whole["choices"]
    }
    assert texts(path, streamed) == expected
    assert {part["object"] for part in streamed} == {
        "text_completion" if path == "/v1/completions" else "chat.completion.chunk"
    }
    ended = [c["index"] for part in streamed for c in part["choices"] if c["finish_reason"]]
    assert sorted(ended) == [0, 1]


@pytest.mark.parametrize("path", PATHS)
def test_only_the_last_chunk_has_the_receipt_and_usage_comes_with_it(http: httpx2.Client, path: str) -> None:
    streamed = chunks(http, path, stream_options={"include_usage": True})

    assert ["receipt" in part for part in streamed] == [False] * (len(streamed) - 1) + [True]
    assert (streamed[-1]["choices"], streamed[-1]["usage"]["completion_tokens"]) == ([], 6)
    assert {part["usage"] for part in streamed[:-1]} == {None}


def test_continuous_usage_counts_up(http: httpx2.Client) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    streamed = chunks(http, "/v1/completions", stream_options=options)

    counts = [part["usage"]["completion_tokens"] for part in streamed]
    assert counts == sorted(counts)
    assert counts[-1] == 6


def test_an_echo_comes_before_the_output(http: httpx2.Client) -> None:
    streamed = chunks(http, "/v1/completions", echo=True)

    assert streamed[0]["choices"][0]["text"] == "Hello"
