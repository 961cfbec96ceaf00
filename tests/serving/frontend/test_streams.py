"""A stream of one request's events: choices in their order, exactly one End, and an observer that misses nothing."""

import asyncio
from dataclasses import replace

from serving.engine.sequence import Sequence
from serving.frontend.streams import TokenStream
from serving.types import End, Outcome, TokenEvent, Usage
from tests.serving.engine.test_scheduler import World

FINISHED = End(Outcome.FINISHED, "stop", Usage(4, 0, 2))


def sequences(choices: int) -> list[Sequence]:
    first = World().submit()
    return [first] + [replace(first, choice=choice) for choice in range(1, choices)]  # type: ignore[misc]


class Opened:
    """A stream with some choices; `abort` calls are counted and give up what waits, as the service does."""

    def __init__(self, choices: int = 1) -> None:
        self.aborted: list[list[int]] = []
        self.observed: list[TokenEvent] = []
        self.sequences = sequences(choices)
        self.stream = TokenStream(self.sequences, self._abort, self.observed.append)

    def _abort(self) -> None:
        self.aborted.append(self.stream.give_up())

    def token(self, choice: int = 0, end: End | None = None) -> list[Sequence]:
        return self.stream.put(TokenEvent(self.stream.request_id, (7,), "x", end=end, choice=choice))


async def test_the_other_choices_are_submitted_with_the_first_token() -> None:
    opened = Opened(3)

    assert not opened.stream.started
    assert opened.token() == opened.sequences[1:]
    assert opened.token() == []
    assert opened.stream.started


async def test_only_the_last_event_of_the_last_choice_carries_the_end() -> None:
    opened = Opened(2)
    opened.token()
    opened.token(1, FINISHED)
    opened.token(0, FINISHED)

    events = [event async for event in opened.stream]

    assert [(event.choice, event.finish_reason) for event in events] == [(0, None), (1, "stop"), (0, "stop")]
    assert [event.end for event in events[:-1]] == [None, None]
    assert events[-1].end == await opened.stream.ended() == replace(FINISHED, usage=Usage(4, 0, 4))


async def test_a_choice_that_fails_aborts_the_others() -> None:
    opened = Opened(3)
    opened.token()

    opened.token(1, End(Outcome.FAILED, "error", Usage(0, 0, 0), "broken"))

    assert opened.aborted == [[0, 2]]


async def test_choices_that_were_never_submitted_end_with_the_abort() -> None:
    opened = Opened(2)

    assert opened.stream.give_up() == [0]
    opened.token(0, End(Outcome.ABORTED, "abort", Usage(0, 0, 0)))

    assert [event.finish_reason async for event in opened.stream] == ["abort", "abort"]


async def test_what_is_granted_before_a_choice_is_submitted_is_kept_with_it() -> None:
    opened = Opened(2)
    for sequence in opened.sequences:
        sequence.granted_tokens = 1

    assert opened.stream.grant(3) == [0]
    assert opened.sequences[1].granted_tokens == 3
    opened.token()
    assert opened.stream.grant(4) == [0, 1]


async def test_a_stopped_engine_ends_the_stream_once() -> None:
    opened = Opened(2)
    opened.token()

    opened.stream.fail("stopped")
    opened.stream.fail("again")
    opened.token()

    events = [event async for event in opened.stream]
    assert [event.end is not None for event in events] == [False, True]
    assert opened.stream.end is not None
    assert opened.stream.end.error == "stopped"


async def test_every_event_is_observed_when_it_arrives_even_if_nobody_reads() -> None:
    opened = Opened()
    opened.token()
    opened.token(0, FINISHED)

    assert [event.token_ids for event in opened.observed] == [(7,), (7,)]
    assert opened.observed[-1].end is not None


async def test_closing_aborts_and_waits_for_the_end() -> None:
    opened = Opened()
    closing = asyncio.create_task(opened.stream.aclose())
    await asyncio.sleep(0)
    assert (len(opened.aborted), closing.done()) == (1, False)

    opened.token(0, End(Outcome.ABORTED, "abort", Usage(4, 0, 1)))
    await closing

    assert [event async for event in opened.stream] == []
