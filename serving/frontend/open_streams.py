"""The requests that the service has accepted and not ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.engine.sequence import Sequence
from serving.errors import InvalidRequest, Overloaded
from serving.frontend.streams import TokenStream
from serving.types import AdapterDigest, TokenEvent

_RETRY_S = (1.0, 60.0)


class OpenStreams:
    """The streams that have not had their End, and the number of requests still being prepared.

    Used by the event loop's thread only. submit: gives the engine a sequence that may run now.
    """

    def __init__(self, max_queue: int, submit: Callable[[Sequence], None]) -> None:
        self._max_queue, self._submit = max_queue, submit
        self._open: dict[str, TokenStream] = {}
        self._preparing = 0
        self._changed = asyncio.Event()
        self._run_s = 1.0
        """The seconds from a request's first token to its last, as a moving average."""

    def add(self, stream: TokenStream) -> None:
        """Keeps the stream until it has had its End."""
        self._open[stream.request_id] = stream

    def check(self, request_id: str) -> None:
        """Raises InvalidRequest if the id is in use, and Overloaded, with the expected wait, if the queue is full."""
        if request_id in self._open:
            raise InvalidRequest("request_id", f"{request_id!r} is in flight already")
        waiting = sum(not stream.started for stream in self._open.values())
        if waiting >= self._max_queue:
            running = max(1, len(self._open) - waiting)
            raise Overloaded(min(_RETRY_S[1], max(_RETRY_S[0], waiting * self._run_s / running)))

    def get(self, request_id: str) -> TokenStream | None:
        """The open stream of a request; None if it has ended or never existed."""
        return self._open.get(request_id)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Counts a request that is being prepared, so that `quiet` waits for it."""
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1
            self._changed.set()

    async def quiet(self) -> None:
        """Returns when no request is being prepared and no stream is open."""
        while self._open or self._preparing:
            self._changed.clear()
            await self._changed.wait()

    def dispatch(self, events: list[TokenEvent]) -> None:
        """Hands the events of one engine step to their streams."""
        for event in events:
            stream = self.get(event.request_id)
            if stream is None:
                continue
            for sequence in stream.put(event):
                self._submit(sequence)
            if stream.end is not None:
                del self._open[stream.request_id]
                self._run_s += (stream.run_s - self._run_s) / 16
                self._changed.set()

    def fail(self, error: str) -> None:
        """Ends all streams in place of an engine that has stopped."""
        for stream in self._open.values():
            stream.fail(error)
        self._open.clear()
        self._changed.set()

    @property
    def all(self) -> list[TokenStream]:
        """The open streams, in the order of their acceptance."""
        return list(self._open.values())

    @property
    def in_flight(self) -> Counter[AdapterDigest | None]:
        """The number of open streams by adapter; None is the base."""
        return Counter(stream.adapter for stream in self._open.values())
