"""How long to leave an endpoint alone that is overloaded or does not answer."""

from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(slots=True)
class Backoff:
    """The wait doubles with each failure in a row, from FIRST_S to LONGEST_S. Times in seconds of any one clock."""

    _failures: int = 0
    _failed_at: float = float("-inf")
    _until: float = float("-inf")

    def wait_s(self, now: float) -> float:
        """How long to wait before the next call; 0 if it may be made now."""
        return max(self._until - now, 0.0)

    def fail(self, began_at: float, now: float, asked_s: float | None = None) -> None:
        """Counts a failed call. asked_s: how long the endpoint asks to be left alone, at most LONGEST_S counts.

        Calls that ran at the same time count as one failure.
        """
        if began_at < self._failed_at:
            return
        self._failures += 1
        doubled = FIRST_S * 2.0 ** min(self._failures - 1, 10)
        self._failed_at, self._until = now, now + min(max(doubled, asked_s or 0.0), LONGEST_S)

    def succeed(self) -> None:
        """Ends the wait."""
        self._failures, self._until = 0, float("-inf")
