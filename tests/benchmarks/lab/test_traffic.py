"""Popularity and arrivals."""

import random
import statistics
from collections import Counter

import pytest

from benchmarks.lab.traffic import arrivals, pick, prompt


def test_distinct_asks_every_model_before_any_twice() -> None:
    assert pick("distinct", 3, 7, random.Random(0)) == [0, 1, 2, 0, 1, 2, 0]


def test_identical_asks_one_model() -> None:
    assert set(pick("identical", 9, 5, random.Random(0))) == {0}


def test_zipf_gives_each_rank_its_harmonic_share() -> None:
    counts = Counter(pick("zipf", 100, 50_000, random.Random(1)))

    harmonic = sum(1 / rank for rank in range(1, 101))
    assert counts[0] / 50_000 == pytest.approx(1 / harmonic, rel=0.05)
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.1)


def test_uniform_asks_all_alike() -> None:
    counts = Counter(pick("uniform", 10, 50_000, random.Random(2)))

    assert max(counts.values()) / min(counts.values()) < 1.15


def test_arrivals_have_the_asked_rate_and_the_variation_of_a_poisson_process() -> None:
    times = arrivals(5.0, 40_000, random.Random(3))

    gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    assert statistics.mean(gaps) == pytest.approx(0.2, rel=0.1)
    assert statistics.stdev(gaps) / statistics.mean(gaps) == pytest.approx(1.0, rel=0.1)


def test_prompts_hold_no_control_token() -> None:
    assert all(8 <= token < 300 for token in prompt(300, 5000, random.Random(4)))
