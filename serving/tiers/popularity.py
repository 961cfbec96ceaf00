"""Which adapters are requested most, with exponential decay."""

import heapq
from collections.abc import Callable
from math import log2

from serving.types import AdapterDigest

_HALF_LIFE_S = 600.0
_MOST = 4096
"""Adapters kept; when there are twice as many, the less popular half is dropped."""


class Popularity:
    """score(adapter, now) = sum of 2^-((now - t) / half-life) over the times t of its requests.

    Stored as log2 of the sum of 2^(t / half-life). This form leaves `now` out: time lowers all scores by the same
    amount, so no stored score needs an update. Owned by the engine thread.
    """

    def __init__(self) -> None:
        self._scores: dict[AdapterDigest, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._scores)

    def asked(self, adapter: AdapterDigest, nbytes: int, now: float) -> None:
        """Counts one request at `now` (seconds). nbytes: what the adapter takes on the device."""
        score, at = now / _HALF_LIFE_S, self._scores.get(adapter)
        if at is not None:
            low, high = sorted((score, at[0]))
            score = high + log2(1 + 2 ** (low - high))
        self._scores[adapter] = score, nbytes
        if len(self._scores) >= 2 * _MOST:
            self._scores = dict(heapq.nlargest(_MOST, self._scores.items(), key=lambda each: each[1]))

    def forget(self, adapter: AdapterDigest) -> None:
        """Drops the adapter's score."""
        self._scores.pop(adapter, None)

    def most(self, most_bytes: int, absent: Callable[[AdapterDigest], bool]) -> tuple[AdapterDigest, int] | None:
        """The most popular absent adapter of at most `most_bytes`, with its bytes; None if there is none."""
        found = [(score, d, n) for d, (score, n) in self._scores.items() if n <= most_bytes and absent(d)]
        return max(found)[1:] if found else None
