"""What a caller holds of a request: a stream of events that always ends in one End."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

from serving.errors import InvalidRequest, Overloaded
from serving.types import AdapterDigest, End, Outcome, TokenEvent, Usage

_RETRY_S = (1.0, 60.0)


class TokenStream(AsyncIterator[TokenEvent]):
    """The events of one request, on the event loop's thread. Its last event carries the End.

    Closing it early aborts the request and waits until the engine has let go; `end` then tells how it ended. A caller
    who wants the remaining events of an aborted request calls `Service.abort` and goes on reading.
    """

    def __init__(self, request_id: str, adapter: AdapterDigest | None, abort: Callable[[], None]) -> None:
        self.request_id = request_id
        self.adapter = adapter
        self.end: End | None = None
        self._started_at: float | None = None
        self._ended_at = 0.0
        self._abort = abort
        self._events: asyncio.Queue[TokenEvent] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._drained = False

    def put(self, event: TokenEvent) -> None:
        """Takes an event from the engine; everything after the End is ignored."""
        if self.end is not None:
            return
        self._ended_at = time.monotonic()
        self._started_at = self._started_at or self._ended_at
        self._events.put_nowait(event)
        if event.end is not None:
            self.end = event.end
            self._ended.set()

    @property
    def started(self) -> bool:
        """Whether the engine has sent anything yet."""
        return self._started_at is not None

    @property
    def run_s(self) -> float:
        """From the first event to the last so far."""
        return 0.0 if self._started_at is None else self._ended_at - self._started_at

    def fail(self, error: str) -> None:
        """Ends the stream for an engine that can no longer do it."""
        end = End(Outcome.FAILED, "error", Usage(0, 0, 0), error)
        self.put(TokenEvent(self.request_id, (), "", end=end))

    def __aiter__(self) -> "TokenStream":
        return self

    async def __anext__(self) -> TokenEvent:
        if self._drained:
            raise StopAsyncIteration
        event = await self._events.get()
        self._drained = event.end is not None
        return event

    async def aclose(self) -> None:
        self._drained = True
        if self.end is None:
            self._abort()
            await self.ended()

    async def ended(self) -> None:
        """Returns once the End has come."""
        await self._ended.wait()


class OpenStreams:
    """The streams that have not had their End. On the event loop's thread."""

    def __init__(self, max_queue: int) -> None:
        self._max_queue = max_queue
        self._open: dict[str, TokenStream] = {}
        self._run_s = 1.0
        """How long requests take from their first token to their last, as a moving average."""

    def add(self, stream: TokenStream) -> None:
        self._open[stream.request_id] = stream

    def check(self, request_id: str) -> None:
        """Raises InvalidRequest if the id is in use; Overloaded, with the time those who wait will need, if full."""
        if request_id in self._open:
            raise InvalidRequest("request_id", f"{request_id!r} is in flight already")
        waiting = sum(not stream.started for stream in self._open.values())
        if waiting >= self._max_queue:
            running = max(1, len(self._open) - waiting)
            raise Overloaded(min(_RETRY_S[1], max(_RETRY_S[0], waiting * self._run_s / running)))

    def dispatch(self, events: list[TokenEvent]) -> None:
        for event in events:
            stream = self._open.get(event.request_id)
            if stream is None:
                continue
            stream.put(event)
            if event.end is not None:
                del self._open[event.request_id]
                self._run_s += (stream.run_s - self._run_s) / 16

    def fail(self, error: str) -> None:
        """Ends all of them for an engine that can no longer do it."""
        for stream in self._open.values():
            stream.fail(error)
        self._open.clear()

    @property
    def all(self) -> list[TokenStream]:
        return list(self._open.values())

    @property
    def in_flight(self) -> Counter[AdapterDigest | None]:
        """How many are open of each adapter; None is the base."""
        return Counter(stream.adapter for stream in self._open.values())
