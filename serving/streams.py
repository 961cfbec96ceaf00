"""What a caller holds of a request: a stream of events that always ends in one End."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from serving.types import AdapterDigest, End, Outcome, TokenEvent, Usage


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
