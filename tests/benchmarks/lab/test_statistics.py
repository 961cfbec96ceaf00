"""The mathematics of the benchmark's figures."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lab.statistics import difference_interval, percentile, ratio_interval

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def test_percentiles_are_linear_between_neighbours() -> None:
    values = [40.0, 10.0, 30.0, 20.0]

    assert [percentile(values, p) for p in (0, 50, 75, 100)] == [10.0, 25.0, 32.5, 40.0]


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 99))


@given(VALUES, st.floats(0, 100), st.floats(0, 100))
def test_percentiles_grow_and_stay_within_the_values(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert min(values) <= percentile(values, low) <= percentile(values, high) + 1e-6 <= max(values) + 2e-6


def test_ratios_are_taken_pair_by_pair() -> None:
    interval = ratio_interval([2.0, 40.0, 900.0], [1.0, 10.0, 300.0])

    assert interval.median == 3.0
    assert (interval.low, interval.high, interval.pairs) == (2.0, 4.0, 3)


def test_differences_are_taken_pair_by_pair() -> None:
    interval = difference_interval([12.0, 40.0, 900.0], [10.0, 35.0, 899.0])

    assert (interval.low, interval.median, interval.high) == (1.0, 2.0, 5.0)


def test_the_interval_of_many_pairs_is_narrow_and_holds_the_true_ratio() -> None:
    rng = random.Random(7)
    below = [rng.uniform(1, 100) for _ in range(200)]
    above = [2 * value * rng.uniform(0.9, 1.1) for value in below]

    interval = ratio_interval(above, below)

    assert interval.low <= 2.0 <= interval.high
    assert interval.high - interval.low < 0.1


def test_the_same_pairs_give_the_same_interval() -> None:
    pairs = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 1.0, 2.0]

    assert ratio_interval(*pairs) == ratio_interval(*pairs)


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio_interval([1.0], [1.0, 2.0])
