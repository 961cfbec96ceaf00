"""Exponential backoff per source, so that a failing source does not delay the others."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from serving.errors import ServingError, SourceUnavailable


@dataclass(frozen=True, slots=True)
class Failure:
    """Consecutive failures of a source, the last error, and the time (clock seconds) until which it is not tried."""

    times: int
    error: ServingError
    until: float


class Backoff:
    """Refuses a source for 1, 2, 4, … seconds after 1, 2, 3, … consecutive failures, at most `longest_s`.

    Thread-safe.
    """

    def __init__(self, clock: Callable[[], float], longest_s: float = 60.0) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._failures: dict[str, Failure] = {}
        self._lock = threading.Lock()

    def check(self, source: str) -> None:
        """Raises SourceUnavailable, with the last error and the time left, while `source` is refused."""
        with self._lock:
            failure = self._failures.get(source)
        left_s = failure.until - self._clock() if failure else 0.0
        if failure and left_s > 0:
            raise SourceUnavailable(source, f"it failed {failure.times} times, last with: {failure.error}", left_s)

    def failed(self, source: str, error: ServingError) -> None:
        """Notes one more consecutive failure."""
        with self._lock:
            times = self._failures[source].times + 1 if source in self._failures else 1
            wait_s = min(self._longest_s, 2.0 ** min(times - 1, 16))
            self._failures[source] = Failure(times, error, self._clock() + wait_s)

    def worked(self, source: str) -> None:
        """Forgets the failures of a source."""
        with self._lock:
            self._failures.pop(source, None)

    def failures(self) -> dict[str, Failure]:
        """The sources that failed when last tried."""
        with self._lock:
            return dict(self._failures)
