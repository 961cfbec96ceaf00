"""Greedy-dual worth: hits and reload cost keep an adapter, bytes and time do not."""

import pytest

from serving.tiers.worth import Worth


def test_worth_grows_with_hits_and_reload_time_and_falls_with_bytes() -> None:
    worth = Worth()

    assert worth.of(1, 2.0, 100) == pytest.approx(0.02)
    assert worth.of(3, 2.0, 100) > worth.of(2, 2.0, 100) > worth.of(2, 1.0, 100) > worth.of(2, 1.0, 200)


def test_an_adapter_that_loads_in_no_time_still_has_worth() -> None:
    assert Worth().of(1, 0.0, 0) > 0


def test_an_eviction_lifts_whatever_is_used_later_above_what_was_evicted() -> None:
    worth = Worth()
    famous = worth.of(1000, 1.0, 100)

    worth.left(famous)

    assert worth.of(1, 1.0, 100) > famous
    worth.left(famous / 2)
    assert worth.clock == famous
