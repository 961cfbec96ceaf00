"""The requests in flight: who may be added, where events go, and when nothing is left."""

import asyncio

import pytest

from serving.engine.sequence import Sequence
from serving.errors import InvalidRequest, Overloaded
from serving.frontend.open_streams import OpenStreams
from serving.frontend.streams import TokenStream
from serving.types import End, Outcome, TokenEvent, Usage
from tests.serving.engine.test_scheduler import World

FINISHED = End(Outcome.FINISHED, "stop", Usage(1, 0, 1))
WORLD = World(pages=1_000)


def stream(adapter: str | None = None) -> TokenStream:
    return TokenStream([WORLD.submit(adapter)], lambda: None)


def opened(*streams: TokenStream, max_queue: int = 8) -> OpenStreams:
    made = OpenStreams(max_queue, lambda sequence: None)
    for each in streams:
        made.add(each)
    return made


def token(stream: TokenStream, end: End | None = None) -> TokenEvent:
    return TokenEvent(stream.request_id, (7,), "x", end=end)


async def test_an_id_is_free_again_when_its_request_has_ended() -> None:
    one = stream()
    streams = opened(one)
    with pytest.raises(InvalidRequest):
        streams.check(one.request_id)

    streams.dispatch([token(one, FINISHED)])

    streams.check(one.request_id)
    assert streams.get(one.request_id) is None


async def test_a_full_queue_counts_only_requests_without_a_token() -> None:
    one, two = stream(), stream()
    streams = opened(one, two, max_queue=2)
    with pytest.raises(Overloaded) as refusal:
        streams.check("three")
    assert 1 <= refusal.value.retry_after_s <= 60

    streams.dispatch([token(one)])

    streams.check("three")


async def test_events_reach_their_stream_and_others_are_ignored() -> None:
    one, two = stream(), stream()
    streams = opened(one, two)

    streams.dispatch([token(two), token(stream()), token(two, FINISHED)])

    assert [event.token_ids async for event in two] == [(7,), (7,)]
    assert not one.started
    assert streams.all == [one]


async def test_waiting_choices_are_submitted_with_the_first_event() -> None:
    submitted: list[Sequence] = []
    streams = OpenStreams(8, submitted.append)
    first, second = WORLD.submit(), WORLD.submit()
    both = TokenStream([first, second], lambda: None)
    streams.add(both)

    streams.dispatch([token(both)])

    assert submitted == [second]


async def test_requests_are_counted_by_adapter() -> None:
    streams = opened(stream("a"), stream("a"), stream())

    assert streams.in_flight == {"a": 2, None: 1}


async def test_quiet_waits_for_streams_and_for_requests_being_prepared() -> None:
    one, two = stream(), stream()
    streams = opened(one)
    quiet = asyncio.create_task(streams.quiet())
    with streams.preparing():
        streams.dispatch([token(one, FINISHED)])
        await asyncio.sleep(0)
        assert not quiet.done()
        streams.add(two)
    await asyncio.sleep(0)
    assert not quiet.done()

    streams.dispatch([token(two, FINISHED)])

    async with asyncio.timeout(10):
        await quiet


async def test_a_stopped_engine_ends_all_streams() -> None:
    one, two = stream(), stream()
    streams = opened(one, two)

    streams.fail("stopped")

    assert {each.end.error for each in (one, two) if each.end} == {"stopped"}
    async with asyncio.timeout(10):
        await streams.quiet()
