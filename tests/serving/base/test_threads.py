"""Threads share the steps from which they gain, and only those."""

import pytest

from serving.base import threads
from serving.base.threads import choose_threads
from serving.config import StepThreads


def chosen(monkeypatch: pytest.MonkeyPatch, gain: dict[int, float], most: int = 4, pages: int = 512) -> StepThreads:
    """The choice where a shared step of so many rows takes that part of the time; of any other number, all of it."""
    monkeypatch.setattr(threads, "time_ratio", lambda decoder, cache, rows, most: gain.get(rows, 1.0))
    return choose_threads(None, None, pages, most)  # type: ignore[arg-type]


def test_steps_are_shared_from_the_smallest_batch_that_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, {1: 1.2, 8: 0.7, 32: 0.5})

    assert [found.of(tokens) for tokens in (1, 7, 8, 600)] == [1, 1, 4, 4]


def test_a_model_too_small_to_share_is_computed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, {1: 1.2, 8: 1.1, 32: 0.9})

    assert [found.of(tokens) for tokens in (1, 600)] == [1, 1]


def test_with_one_thread_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {}, most=1) == StepThreads(1)


def test_a_cache_of_few_pages_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {3: 0.5}, pages=3) == StepThreads(4, shared_from=3)
