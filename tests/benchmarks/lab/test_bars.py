"""Which figures count as reached."""

from typing import Any

import pytest

from benchmarks.lab.bars import BARS, EVERY_SCENARIO, Bar, Reached, bar_results, scenarios_of
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.suite import SCENARIOS, document

CHECKS = {"lost": 0, "wrong_adapter": 0, "silent_base": 0, "broken": 0, "rounded": 2, "exact": 10}


def measured(
    bar: Bar, median: float, high: float | None = None, pairs: int = 40, requests: int = 400
) -> dict[str, Any]:
    """The scenarios of a result in which this bar's figure was measured."""
    compared = {bar.comparison: {"median": median, "low": median, "high": high or median, "pairs": pairs}}
    arms = {bar.arm or "ours": {"requests": requests, "turns": 3}}
    return {bar.scenario: {"compared": compared, "arms": arms, "checks": CHECKS}}


def reached(bar: Bar, scenarios: dict[str, Any]) -> Reached:
    return next(result.reached for result in bar_results(bar.profile, scenarios) if result.bar == bar)


RATIOS = [bar for bar in BARS if bar.scenario != EVERY_SCENARIO]


@pytest.mark.parametrize("bar", RATIOS, ids=[f"{bar.profile}-{bar.comparison}" for bar in RATIOS])
def test_a_figure_on_its_limit_is_reached_and_one_beyond_is_missed(bar: Bar) -> None:
    beyond = bar.limit * (0.999 if bar.direction == "≥" else 1.001)

    assert reached(bar, measured(bar, bar.limit)) is Reached.YES
    assert reached(bar, measured(bar, beyond)) is Reached.NO


@pytest.mark.parametrize("bar", RATIOS, ids=[f"{bar.profile}-{bar.comparison}" for bar in RATIOS])
def test_a_figure_of_too_few_turns_is_not_reached_however_good(bar: Bar) -> None:
    assert reached(bar, measured(bar, bar.limit, pairs=bar.min_turns - 1)) is Reached.THIN


def test_of_a_few_per_cent_the_upper_end_of_the_interval_counts() -> None:
    bar = next(bar for bar in BARS if bar.scenario == "unused")

    assert reached(bar, measured(bar, 1.0, high=1.01)) is Reached.YES
    assert reached(bar, measured(bar, 1.0, high=1.02)) is Reached.NO


@pytest.mark.parametrize("scenario", ["interference", "pressure", "scale"])
def test_latencies_need_a_thousand_requests(scenario: str) -> None:
    bar = next(bar for bar in BARS if bar.scenario == scenario and bar.arm)

    assert reached(bar, measured(bar, bar.limit, requests=334)) is Reached.YES
    assert reached(bar, measured(bar, bar.limit, requests=333)) is Reached.THIN


def test_one_fault_in_one_scenario_misses_the_bar_and_roundings_do_not() -> None:
    bar = next(bar for bar in BARS if bar.scenario == EVERY_SCENARIO)
    good, bad = {"checks": CHECKS}, {"checks": {**CHECKS, "silent_base": 1}}

    assert reached(bar, {"base": good, "scale": good}) is Reached.YES
    assert reached(bar, {"base": good, "scale": bad}) is Reached.NO
    assert reached(bar, {}) is Reached.UNMEASURED


def test_what_was_not_measured_is_said_to_be_so() -> None:
    assert {result.reached for result in bar_results("cpu", {})} == {Reached.UNMEASURED}


def test_every_bar_has_its_scenario_and_profile() -> None:
    known = {scenario.name for scenario in SCENARIOS}

    for name in PROFILES:
        assert set(scenarios_of(name)) <= known
    assert {bar.profile for bar in BARS} == {"cpu", "ci", "gpu"}
    assert PROFILES["ci"].sweep[0] == 5
    assert 2000 in PROFILES["ci"].sweep


@pytest.mark.parametrize("name", ["cpu", "ci", "gpu"])
def test_the_profiles_have_the_turns_and_requests_that_their_bars_ask_for(name: str) -> None:
    profile = PROFILES[name]

    assert profile.pairs >= max(bar.min_turns for bar in BARS if bar.profile == name)
    assert profile.rounds * profile.open_requests >= 1000


def test_only_a_profile_as_it_stands_is_held_against_the_bars() -> None:
    assert document(PROFILES["cpu"], 0, {})["bars"]
    assert document(PROFILES["cpu"].quick(), 0, {})["bars"] == []
