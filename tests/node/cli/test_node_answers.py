"""A node that answers nonsense, or without end, makes a command fail with one clear sentence."""

import gzip
import json

import httpx2
import pytest

from node.cli.failures import ConfigurationFailure
from node.cli.node_answers import MAX_JSON_BYTES, MAX_LINE_BYTES, json_object, lines, read_whole
from node.cli.remote import ask, fetch
from tests.node.cli.conftest import Cli
from tests.node.cli.hostile_node import OK, answering

NONSENSE = [
    b"",
    b"<html>welcome</html>",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe\x00",
    b'{"data": 1',
]


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("verb", [("receipts", "list"), ("chat", "cardiology", "hi")])
def test_nonsense_is_reported_as_the_node_s_failure(cli: Cli, verb: tuple[str, ...], body: bytes) -> None:
    with answering(OK, body) as url:
        done = cli(*verb, "--node", url)

    assert done.code in (3, 6), done.err
    assert "should not have happened" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"choices": 1},
        {"choices": [1]},
        {"choices": [{}]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"content": 1}}]},
        {"choices": [], "error": "x"},
        {"choices": [], "error": {"code": 1, "message": []}},
        {"choices": [], "receipt": 1},
        {"choices": [], "receipt": {}, "usage": {}},
        {"choices": [], "receipt": {"id": "0x", "receipt": {}, "lines": []}, "usage": {}},
        {"choices": [], "receipt": {"id": 1, "receipt": {"tokensIn": "x"}, "lines": {}}, "usage": {}},
    ],
)
def test_a_malformed_chunk_is_reported_by_its_member(cli: Cli, chunk: dict[str, object]) -> None:
    stream = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    with answering(OK, stream) as url:
        done = cli("chat", "cardiology", "hi", "--node", url)

    assert done.code in (3, 6), done.err
    assert "should not have happened" not in done.err


@pytest.mark.parametrize("endless", [b"x" * 65_536, b"data: {}" * 8_192])
def test_an_answer_without_end_is_cut_off_at_its_limit(endless: bytes) -> None:
    with answering(OK, b"", endless) as url, pytest.raises(ConfigurationFailure, match=f"more than {MAX_JSON_BYTES}"):
        ask(url, "GET", "/v1/models")


def test_a_line_without_end_is_cut_off(cli: Cli) -> None:
    with answering(OK, b"data: ", b"x" * 65_536) as url:
        done = cli("chat", "cardiology", "hi", "--node", url)

    assert done.code == 3
    assert f"a line of more than {MAX_LINE_BYTES} bytes" in done.err


def test_a_compressed_answer_is_refused_before_it_expands() -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    with answering(OK + b"Content-Encoding: gzip\r\n", bomb) as url:
        with pytest.raises(ConfigurationFailure, match="compressed"):
            ask(url, "GET", "/v1/models")
        with pytest.raises(ConfigurationFailure, match="compressed"):
            fetch(url, "/batches/1/receipts")


@pytest.mark.parametrize("body", [*NONSENSE, b'{"error": 1}', b'{"error": {"code": 7, "message": 8}}'])
def test_an_error_answer_of_any_form_shows_its_status(body: bytes) -> None:
    with answering(b"HTTP/1.1 500 x\r\n", body) as url, pytest.raises(ConfigurationFailure, match="answered 500"):
        ask(url, "GET", "/v1/models")


def test_a_missing_member_is_named_at_any_depth() -> None:
    answer = httpx2.Response(200, request=httpx2.Request("GET", "http://node/x"))
    read = json_object(answer, b'{"a": [{"b": {}}]}')

    inner = read["a"]
    assert isinstance(inner, list)
    with pytest.raises(ConfigurationFailure, match="without the member 'c'"):
        inner[0]["b"]["c"]


@pytest.mark.parametrize("pieces", [[b"a\nb", b"c\n", b"\nd"], [b"a\nbc\n\nd"], [b"a", b"\n", b"bc\n\n", b"d"]])
def test_lines_are_the_same_however_they_arrive(pieces: list[bytes]) -> None:
    request = httpx2.Request("GET", "http://node/x")

    assert list(lines(httpx2.Response(200, content=iter(pieces), request=request))) == [b"a", b"bc", b"", b"d"]
    assert read_whole(httpx2.Response(200, content=iter(pieces), request=request), 8) == b"a\nbc\n\nd"
