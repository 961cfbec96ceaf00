"""An answer passes unchanged, whatever its chunks, while its text, usage and receipt are read."""

import json
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.client.errors import DecodingError
from node.client.receipt import ReceivedOutput
from node.client.transcript import MAX_PLAIN_BYTES, TranscribedStream, Transcript

RECEIPT = {"id": "0x12"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def event(**document: object) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def delta(text: str, index: int = 0) -> dict[str, object]:
    return {"index": index, "delta": {"content": text}}


EVENTS = b"".join([
    b": keep-alive\n\n",
    event(choices=[{"index": 0, "delta": {"role": "assistant"}}]),
    event(choices=[delta("Zwei ")]),
    event(choices=[delta("Löffel")], receipt=RECEIPT),
    event(choices=[], usage=USAGE),
    b"data: [DONE]\n\n",
])  # fmt: skip


@given(st.lists(st.integers(1, 40), max_size=60))
def test_a_stream_is_read_whatever_its_chunks(sizes: list[int]) -> None:
    transcript, rest = Transcript(streamed=True), EVENTS
    for size in sizes:
        transcript.feed(rest[:size])
        rest = rest[size:]
    transcript.feed(rest)
    transcript.finish()

    assert transcript.receipt == RECEIPT
    assert transcript.received == ReceivedOutput("Zwei Löffel".encode(), 7, 3)


def test_a_plain_answer_is_read_at_its_end() -> None:
    transcript = Transcript(streamed=False)
    body = json.dumps({"choices": [{"message": {"content": "yes"}}], "usage": USAGE, "receipt": RECEIPT}).encode()

    transcript.feed(body[:9])
    transcript.feed(body[9:])
    assert transcript.receipt is None
    transcript.finish()

    assert transcript.receipt == RECEIPT
    assert transcript.received == ReceivedOutput(b"yes", 7, 3)


def test_choices_are_told_apart_by_their_index() -> None:
    transcript = Transcript(streamed=True, choices=2)

    transcript.feed(event(choices=[delta("b", 1)]) + event(choices=[delta("a", 0), delta("b", 1)]))

    assert transcript.received.output == b'["a","bb"]'


@pytest.mark.parametrize("index", [1, -1, "0", None])
def test_a_choice_that_was_not_asked_for_is_refused(index: object) -> None:
    with pytest.raises(DecodingError, match="1 were asked for"):
        Transcript(streamed=True).feed(event(choices=[{"index": index, "delta": {"content": "x"}}]))


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"<html>", "not JSON"), (b"[]", "not an object"), (b"\xff", "not JSON"), (b"[" * 100_000, "not JSON")],
)
def test_what_is_not_an_answer_is_an_error_of_the_client_and_of_httpx2(body: bytes, problem: str) -> None:
    plain, streamed = Transcript(streamed=False), Transcript(streamed=True)
    plain.feed(body)

    with pytest.raises(DecodingError, match=problem):
        plain.finish()
    with pytest.raises(httpx2.DecodingError, match=problem):
        streamed.feed(b"data: " + body + b"\n")


def test_an_endless_plain_answer_is_refused() -> None:
    transcript = Transcript(streamed=False)
    transcript.feed(bytes(MAX_PLAIN_BYTES))

    with pytest.raises(DecodingError, match="too large"):
        transcript.feed(b"x")


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in two chunks."""

    def __init__(self, content: bytes) -> None:
        self.content, self.closed = content, False

    def __iter__(self) -> Iterator[bytes]:
        yield self.content[:50]
        yield self.content[50:]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Log:
    """What the stream reported."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stream(self, body: Body) -> TranscribedStream:
        return TranscribedStream(
            body,
            Transcript(streamed=True),
            lambda transcript: self.events.append(f"receipt {transcript.receipt}"),
            lambda: self.events.append("lost"),
        )


async def test_the_body_passes_unchanged_and_the_receipt_is_reported_once() -> None:
    blocking, asynchronous = Log(), Log()

    assert b"".join(blocking.stream(Body(EVENTS))) == EVENTS
    assert b"".join([chunk async for chunk in asynchronous.stream(Body(EVENTS))]) == EVENTS

    assert blocking.events == asynchronous.events == [f"receipt {RECEIPT}"]


async def test_a_reader_that_stops_early_loses_the_receipt_and_closes_the_body() -> None:
    blocking, asynchronous, bodies = Log(), Log(), (Body(EVENTS), Body(EVENTS))

    stream = blocking.stream(bodies[0])
    next(iter(stream))
    stream.close()
    stream = asynchronous.stream(bodies[1])
    await anext(aiter(stream))
    await stream.aclose()

    assert blocking.events == asynchronous.events == ["lost"]
    assert all(body.closed for body in bodies)


def test_an_error_event_loses_the_receipt() -> None:
    log = Log()

    list(log.stream(Body(event(error={"message": "the node failed"}))))

    assert log.events == ["lost"]


def test_a_body_without_a_receipt_is_reported_at_its_end() -> None:
    log = Log()

    list(log.stream(Body(event(choices=[delta("x")]))))

    assert log.events == ["receipt None"]
