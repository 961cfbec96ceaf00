"""Percentiles, and ratios with their uncertainty: pure rules."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % interval."""

    median: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `values` lie, linear between neighbours; nan of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """The median of the ratios pair by pair, with a percentile bootstrap over the pairs (Efron 1979).

    With fewer than about 30 pairs the interval is little more than the range that was seen.
    """
    ratios = [above / below for above, below in zip(numerators, denominators, strict=True)]
    rng = random.Random(seed)
    medians = [statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES)]
    return Interval(statistics.median(ratios), percentile(medians, 2.5), percentile(medians, 97.5))
