"""Percentiles, and the bootstrap intervals of ratios and differences."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % interval. pairs: the number of values."""

    median: float
    low: float
    high: float
    pairs: int


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` per cent of `values` lie, linear between neighbours; NaN if there are none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float]) -> Interval:
    """The interval of the ratios, pair by pair. Raises ValueError if the lengths differ."""
    return interval([above / below for above, below in zip(numerators, denominators, strict=True)])


def difference_interval(minuends: Sequence[float], subtrahends: Sequence[float]) -> Interval:
    """The interval of the differences, pair by pair. Raises ValueError if the lengths differ."""
    return interval([above - below for above, below in zip(minuends, subtrahends, strict=True)])


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The median with a 95 % percentile bootstrap over the values (Efron 1979).

    With fewer than about 30 values the interval is little more than the observed range.
    """
    rng = random.Random(seed)
    medians = [statistics.median(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES)]
    return Interval(statistics.median(values), percentile(medians, 2.5), percentile(medians, 97.5), len(values))
