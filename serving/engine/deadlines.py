"""The times by which requests must have begun and ended."""

import heapq
from itertools import count
from math import inf

from serving.engine.sequence import Sequence, Stage


class Deadlines:
    """When sequences must have begun or ended. Owned by the engine thread.

    A heap of all limits. It holds no sequence without a limit, and drops ended sequences when their limits
    come up.
    """

    def __init__(self) -> None:
        self._limits: list[tuple[float, int, bool, Sequence]] = []
        self._order = count()

    def add(self, sequence: Sequence) -> None:
        """Watches the limits of a new sequence."""
        for limit, to_begin in ((sequence.start_by, True), (sequence.end_by, False)):
            if limit < inf:
                heapq.heappush(self._limits, (limit, next(self._order), to_begin, sequence))

    @property
    def next(self) -> float:
        """The time of the next limit; inf if there is none."""
        return self._limits[0][0] if self._limits else inf

    def passed(self, now: float) -> list[Sequence]:
        """Removes the limits up to `now`; returns the sequences that missed one of theirs, each once."""
        late: dict[Sequence, None] = {}
        while self._limits and self._limits[0][0] <= now:
            _, _, to_begin, sequence = heapq.heappop(self._limits)
            if sequence.stage is not Stage.ENDED and not (to_begin and sequence.has_begun):
                late[sequence] = None
        return list(late)
