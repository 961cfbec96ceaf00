"""Resuming an interrupted run."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import switchbench
from benchmarks.lab import suite
from benchmarks.lab.profiles import PROFILES

HERE = {"commit": "abc1234", "machine": {"cores": 2}, "threads": 2}
WANTED = {"format": 2, "seed": 0, "libraries": {"torch": "2"}, "profile": {"name": "ci"}, "peersLeftOut": None}
FOUND = {**HERE, "ok": True}
BEFORE = {**WANTED, "scenarios": {"base": FOUND, "scale": {**FOUND, "commit": "0ld"}}}


def reusable(*, before: dict[str, Any] = BEFORE, here: dict[str, Any] = HERE) -> dict[str, Any]:
    return switchbench.reusable(before, WANTED, here)


def test_what_was_measured_at_this_commit_is_kept_and_the_rest_is_not() -> None:
    assert reusable() == {"base": FOUND}


@pytest.mark.parametrize("commit", ["abc1234-dirty", "unknown"])
def test_code_that_no_commit_names_is_measured_anew(commit: str) -> None:
    before = {**BEFORE, "scenarios": {"base": {**FOUND, "commit": commit}}}

    assert reusable(before=before, here={**HERE, "commit": commit}) == {}


@pytest.mark.parametrize(
    "change", [{"machine": {"cores": 4}}, {"threads": 1}], ids=["another machine", "other threads"]
)
def test_figures_of_other_conditions_are_measured_anew(change: dict[str, Any]) -> None:
    assert reusable(here={**HERE, **change}) == {}


@pytest.mark.parametrize("key", list(WANTED))
def test_figures_of_another_profile_seed_library_or_format_are_measured_anew(key: str) -> None:
    assert reusable(before={**BEFORE, key: "other"}) == {}


def test_nothing_is_kept_of_nothing() -> None:
    assert reusable(before={}) == {}


@pytest.fixture
def at_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.provenance.commit", lambda: "abc1234")


@pytest.mark.usefixtures("at_a_commit")
def test_a_run_writes_after_every_scenario_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile, path = PROFILES["tiny"].quick(), tmp_path / "result.json"
    unused, cold = (next(each for each in suite.SCENARIOS if each.name == name) for name in ("unused", "cold"))

    assert switchbench.measure(profile, [unused], path, 1) == []
    first = json.loads(path.read_text())
    assert switchbench.measure(profile, [unused, cold], path, 1) == []

    both = json.loads(path.read_text())
    assert list(first["scenarios"]) == ["unused"]
    assert both["scenarios"]["unused"] == first["scenarios"]["unused"]
    assert list(both["scenarios"]) == ["unused", "cold"]
    assert "tiny 1/2 unused: measured already" in capsys.readouterr().out


@pytest.mark.usefixtures("at_a_commit")
def test_a_scenario_that_fails_is_reported_and_the_others_are_measured(tmp_path: Path) -> None:
    async def broken(lab: object) -> Any:
        """It breaks."""
        raise ValueError("broken")

    profile, path = PROFILES["tiny"].quick(), tmp_path / "result.json"
    unused = next(each for each in suite.SCENARIOS if each.name == "unused")

    failed = switchbench.measure(profile, [suite.Scenario("broken", "", "serve", broken), unused], path, 1)

    assert failed == ["tiny broken"]
    assert list(json.loads(path.read_text())["scenarios"]) == ["unused"]
