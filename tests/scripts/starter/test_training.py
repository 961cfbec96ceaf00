"""The training schedule."""

import pytest

from scripts.starter.training import Schedule

SCHEDULE = Schedule(steps=100, learning_rate=1.0, warm_up=10, weight_decay=0.0)


def test_the_rate_rises_to_its_maximum_and_falls_to_a_twentieth() -> None:
    factors = [SCHEDULE.factor(step) for step in range(101)]

    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.05)
