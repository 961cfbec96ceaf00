"""What callers hold of all requests that have not ended."""

from collections import Counter
from collections.abc import Callable

from serving.engine.sequence import Sequence
from serving.errors import InvalidRequest, Overloaded
from serving.frontend.streams import TokenStream
from serving.types import AdapterDigest, TokenEvent

_RETRY_S = (1.0, 60.0)


class OpenStreams:
    """The streams that have not had their End. On the event loop's thread.

    submit: gives the engine a sequence that may run now.
    """

    def __init__(self, max_queue: int, submit: Callable[[Sequence], None]) -> None:
        self._max_queue, self._submit = max_queue, submit
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

    def get(self, request_id: str) -> TokenStream | None:
        return self._open.get(request_id)

    def dispatch(self, events: list[TokenEvent]) -> None:
        for event in events:
            stream = self.get(event.request_id)
            if stream is None:
                continue
            for sequence in stream.put(event):
                self._submit(sequence)
            if stream.end is not None:
                del self._open[stream.request_id]
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
