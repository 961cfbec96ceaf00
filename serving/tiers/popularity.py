"""Which adapters are asked for most, with old fame fading."""

import heapq
from collections.abc import Callable
from math import log2

from serving.types import AdapterDigest

_HALF_LIFE_S = 600.0
_MOST = 4096
"""Adapters remembered; when there are twice as many, the less popular half is forgotten."""


class Popularity:
    """score(adapter, now) = sum of 2^-((now - t) / half-life) over the times t at which it was asked for.

    Kept as its logarithm without `now`, log2 of the sum of 2^(t / half-life): in this form nothing needs to be aged, as
    time lowers all scores alike. Owned by the engine thread.
    """

    def __init__(self) -> None:
        self._scores: dict[AdapterDigest, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._scores)

    def asked(self, adapter: AdapterDigest, nbytes: int, now: float) -> None:
        """nbytes: what it takes on the device."""
        score, at = now / _HALF_LIFE_S, self._scores.get(adapter)
        if at is not None:
            low, high = sorted((score, at[0]))
            score = high + log2(1 + 2 ** (low - high))
        self._scores[adapter] = score, nbytes
        if len(self._scores) >= 2 * _MOST:
            self._scores = dict(heapq.nlargest(_MOST, self._scores.items(), key=lambda each: each[1]))

    def forget(self, adapter: AdapterDigest) -> None:
        self._scores.pop(adapter, None)

    def most(self, most_bytes: int, absent: Callable[[AdapterDigest], bool]) -> tuple[AdapterDigest, int] | None:
        """The most popular of those that are absent and take at most `most_bytes`, with its bytes."""
        found = [(score, d, n) for d, (score, n) in self._scores.items() if n <= most_bytes and absent(d)]
        return max(found)[1:] if found else None
