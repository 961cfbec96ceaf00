"""Requests that may not wait or run for ever."""

import heapq
from itertools import count
from math import inf

from serving.engine.sequence import Sequence, Stage


class Deadlines:
    """By when sequences must have begun or ended. Owned by the engine thread.

    A heap of all limits of all sequences; what has no limit is not in it, and what has ended is dropped when its turn
    comes.
    """

    def __init__(self) -> None:
        self._limits: list[tuple[float, int, bool, Sequence]] = []
        self._order = count()

    def add(self, sequence: Sequence) -> None:
        for limit, to_begin in ((sequence.start_by, True), (sequence.end_by, False)):
            if limit < inf:
                heapq.heappush(self._limits, (limit, next(self._order), to_begin, sequence))

    @property
    def next(self) -> float:
        """When `passed` is worth asking again; inf if never."""
        return self._limits[0][0] if self._limits else inf

    def passed(self, now: float) -> list[Sequence]:
        """The sequences whose limit is over, each once."""
        late: dict[Sequence, None] = {}
        while self._limits and self._limits[0][0] <= now:
            _, _, to_begin, sequence = heapq.heappop(self._limits)
            if sequence.stage is not Stage.ENDED and not (to_begin and sequence.has_begun):
                late[sequence] = None
        return list(late)
