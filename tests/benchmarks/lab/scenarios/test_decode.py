"""What is timed while a batch decodes, and the ceilings next to it."""

import pytest

from benchmarks.lab.clients import Answer, Measurement
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.scenarios.decode import Spread, bounds, steady_tokens_per_s
from benchmarks.lab.traffic import Request
from serving.types import End, Outcome, Usage


def answer(tokens: int, *, outcome: Outcome = Outcome.FINISHED, tenant: str = "t", first_s: float = 1.5) -> Answer:
    times = tuple(first_s + 0.1 * number for number in range(tokens))
    end = End(outcome, "length", Usage(1, 0, tokens))
    return Answer(Request("a0", (9,), 4, tenant), 1.0, tuple(range(tokens)), times, end)


def test_decoding_is_timed_while_all_decode() -> None:
    together = Measurement((answer(11, first_s=1.0), answer(11, first_s=1.5)), 3.0)
    one_after_the_other = Measurement((answer(3, first_s=1.0), answer(3, first_s=5.0)), 9.0)

    assert steady_tokens_per_s(together) == pytest.approx(20)
    assert steady_tokens_per_s(one_after_the_other) == 0


def test_more_distinct_adapters_lower_the_ceiling_and_larger_batches_raise_the_floor() -> None:
    few, many, large = Spread(32, 64, "zipf"), Spread(32, 64, "uniform"), Spread(128, 1, "uniform")

    found = bounds(PROFILES["gpu"], {few: 8, many: 32, large: 1})

    ceilings = [found[f"H200's ceiling of the ratio, {each.arm}"] for each in (few, many)]
    assert ceilings == pytest.approx([0.96, 0.86], abs=0.01)
    assert found["H200's most tokens/s, batch 32, no adapter"] == pytest.approx(8000, rel=0.02)
    assert found["H200's most tokens/s, batch 128, no adapter"] > 20_000
