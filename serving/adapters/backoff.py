"""Sources that failed are left alone for a while, each on its own, so that a bad one costs the others nothing."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from serving.errors import ServingError, SourceUnavailable


@dataclass(frozen=True, slots=True)
class Failure:
    """How often in a row a source failed, with what, and until when (the clock's seconds) it is not asked again."""

    times: int
    error: ServingError
    until: float


class Backoff:
    """Waits 1, 2, 4, … seconds after the first, second, third … failure in a row, at most `longest_s`. Thread-safe."""

    def __init__(self, clock: Callable[[], float], longest_s: float = 60.0) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._failures: dict[str, Failure] = {}
        self._lock = threading.Lock()

    def check(self, source: str) -> None:
        """Raises SourceUnavailable while `source` is being left alone; it repeats what went wrong."""
        with self._lock:
            failure = self._failures.get(source)
        left_s = failure.until - self._clock() if failure else 0.0
        if failure and left_s > 0:
            raise SourceUnavailable(source, f"it failed {failure.times} times, last with: {failure.error}", left_s)

    def failed(self, source: str, error: ServingError) -> None:
        with self._lock:
            times = self._failures[source].times + 1 if source in self._failures else 1
            wait_s = min(self._longest_s, 2.0 ** min(times - 1, 16))
            self._failures[source] = Failure(times, error, self._clock() + wait_s)

    def worked(self, source: str) -> None:
        with self._lock:
            self._failures.pop(source, None)

    def failures(self) -> dict[str, Failure]:
        with self._lock:
            return dict(self._failures)
