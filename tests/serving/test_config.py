"""How many threads share a step."""

import pytest

from serving.config import StepThreads


@pytest.mark.parametrize(("tokens", "threads"), [(1, 1), (7, 1), (8, 4), (512, 4)])
def test_small_steps_are_computed_by_one_thread(tokens: int, threads: int) -> None:
    assert StepThreads(4, shared_from=8).of(tokens) == threads
