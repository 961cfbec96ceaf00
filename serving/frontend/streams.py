"""The stream of a request's events, which always ends with exactly one End."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from serving.engine.sequence import Sequence
from serving.frontend.choices import end_of
from serving.types import AdapterDigest, End, Outcome, TokenEvent, Usage


def _ignore(event: TokenEvent) -> None:
    """The default observer."""


class TokenStream(AsyncIterator[TokenEvent]):
    """The events of one request, on the event loop's thread. The last event carries the End.

    All choices end before that. The choices after the first are submitted when it has sampled a token, because the
    prompt is in the cache from then on. If one choice fails, the others are aborted.

    Closing the stream early aborts the request and waits until the engine has released it; `end` then holds the End. A
    caller who wants the remaining events of an aborted request calls `Service.abort` and continues to iterate.
    """

    def __init__(
        self,
        sequences: list[Sequence],
        abort: Callable[[], None],
        observe: Callable[[TokenEvent], None] = _ignore,
    ) -> None:
        """observe: called with every event when it arrives, whether or not anybody reads the stream."""
        self.request_id = sequences[0].request_id
        self.model = sequences[0].request.prepared.model.name
        self.adapter: AdapterDigest | None = sequences[0].adapter
        self.end: End | None = None
        self._abort, self._observe = abort, observe
        self._started_at: float | None = None
        self._ended_at = 0.0
        self._choices = range(len(sequences))
        self._waiting = sequences[1:]
        self._ends: dict[int, End] = {}
        self._events: asyncio.Queue[TokenEvent] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._drained = False

    def put(self, event: TokenEvent) -> list[Sequence]:
        """Takes an event from the engine; returns the sequences to submit now. Ignores everything after the End."""
        if self.end is not None:
            return []
        self._ended_at = time.monotonic()
        self._started_at = self._started_at or self._ended_at
        if event.end is not None:
            self._end(event, event.end)
        else:
            self._add(event)
        following, self._waiting = self._waiting, []
        return following

    @property
    def started(self) -> bool:
        """Whether the engine has sent anything yet."""
        return self._started_at is not None

    @property
    def run_s(self) -> float:
        """Seconds from the first event to the last one so far."""
        return 0.0 if self._started_at is None else self._ended_at - self._started_at

    def give_up(self) -> list[int]:
        """Ends the choices that are not submitted yet; returns those that the engine has to abort."""
        for sequence in self._waiting:
            self._ends[sequence.choice] = End(Outcome.ABORTED, "abort", Usage(0, 0, 0))
            self._add(TokenEvent(self.request_id, (), "", choice=sequence.choice, finish_reason="abort"))
        self._waiting = []
        return self._running

    def grant(self, granted_tokens: int) -> list[int]:
        """Raises the granted total of the choices not submitted yet; returns those that the engine has to extend."""
        for sequence in self._waiting:
            granted = min(granted_tokens, sequence.max_new_tokens)
            sequence.granted_tokens = max(sequence.granted_tokens, granted)
        return self._running

    def fail(self, error: str) -> None:
        """Ends the stream in place of an engine that has stopped."""
        end = End(Outcome.FAILED, "error", Usage(0, 0, 0), error)
        left = [choice for choice in self._choices if choice not in self._ends]
        self._ends |= dict.fromkeys(left, end)
        if left and self.end is None:
            self._end(TokenEvent(self.request_id, (), "", choice=left[-1]), end)

    def __aiter__(self) -> "TokenStream":
        return self

    async def __anext__(self) -> TokenEvent:
        if self._drained:
            raise StopAsyncIteration
        event = await self._events.get()
        self._drained = event.end is not None
        return event

    async def aclose(self) -> None:
        """Aborts the request if it still runs, and returns when it has ended. No further events are read."""
        self._drained = True
        if self.end is None:
            self._abort()
            await self.ended()

    async def ended(self) -> End:
        """Waits for the End and returns it."""
        await self._ended.wait()
        assert self.end is not None, "the event is set when the End is"
        return self.end

    @property
    def _running(self) -> list[int]:
        """The choices that the engine has and has not ended."""
        waiting = {sequence.choice for sequence in self._waiting}
        return [choice for choice in self._choices if choice not in self._ends and choice not in waiting]

    def _end(self, event: TokenEvent, end: End) -> None:
        """Handles the last event of a choice. The last event of the last choice carries the request's End."""
        self._ends[event.choice] = end
        if end.outcome is not Outcome.FINISHED and len(self._ends) < len(self._choices):
            self._abort()
        if len(self._ends) == len(self._choices):
            self.end = end_of(self._ends)
            self._ended.set()
        self._add(replace(event, finish_reason=end.finish_reason, end=self.end))

    def _add(self, event: TokenEvent) -> None:
        self._observe(event)
        self._events.put_nowait(event)
