"""The README's table of bars and its plot, generated from results on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.result import FORMAT
from scripts import figures

ARMS = {
    f"{count} adapters{suffix}": {"tokens_per_s": 900.0, "ttft_p99_ms": 80.0, "requests": 400, "turns": 3}
    for count in (5, 2000)
    for suffix in ("", ", open loop")
}
SCALE = {
    "commit": "abc1234",
    "machine": {"processor": "Fast", "cores": 2},
    "threads": 2,
    "othersShare": 0.014,
    "checks": {"lost": 0, "wrong_adapter": 0, "silent_base": 0, "broken": 0},
    "arms": ARMS,
    "compared": {"tokens/s, 2000 / 5 adapters": {"median": 0.97, "low": 0.96, "high": 0.99, "pairs": 3}},
}


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """A result of the `ci` profile, as the README's generator finds it."""
    results = folder / "benchmarks" / "results"
    results.mkdir(parents=True)
    result = {"format": FORMAT, "profile": {"grid": "standard"}, "scenarios": {"scale": SCALE}, **changes}
    (results / "switchbench_ci.json").write_text(json.dumps(result))
    monkeypatch.setattr(figures, "ROOT", folder)


def test_what_was_measured_is_shown_with_machine_commit_and_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch)

    shown = figures.bars()

    assert "| ≥ 0.95 × | 0.970 × (0.960 to 0.990) | reached |" in shown
    assert "(ci profile) | 0 | 0 | reached |" in shown
    assert "`ci` profile: Fast, 2 cores, 2 threads, at commit `abc1234`. Other processes used at most 1 %" in shown
    assert "`cpu` profile: not measured yet." in shown
    assert "(docs/adapters.svg)" in shown
    assert (figures.plot() or "").startswith("<svg")


@pytest.mark.parametrize("change", [{"format": FORMAT - 1}, {"profile": {"grid": "quick"}}], ids=["old", "shortened"])
def test_an_old_or_shortened_result_counts_as_none(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, **change)

    assert "reached" not in figures.bars()
    assert "adapters.svg" not in figures.bars()
    assert figures.plot() is None


def test_a_tiny_or_negative_share_of_other_processes_reads_as_less_than_one_per_cent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, scenarios={"scale": {**SCALE, "othersShare": -0.003}})

    shown = figures.bars()

    assert "used less than 1 % of the processors" in shown
    assert "-0" not in shown


def test_missed_bars_are_summed_up_by_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"median": 0.8, "low": 0.7, "high": 0.9, "pairs": 3}
    written(tmp_path, monkeypatch, scenarios={"scale": {**SCALE, "compared": {"tokens/s, 2000 / 5 adapters": slow}}})

    assert "Missed: 1 bar of the `ci` profile, the 8 MB model." in figures.bars()


def test_nothing_is_said_of_missed_bars_if_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch)

    assert "Missed" not in figures.bars()


def test_a_result_of_uncommitted_code_is_named_whether_whole_or_one_scenario(tmp_path: Path) -> None:
    (tmp_path / "clean.json").write_text(json.dumps({"commit": "abc1234"}))
    (tmp_path / "dirty.json").write_text(json.dumps({"commit": "abc1234-dirty"}))
    (tmp_path / "some.json").write_text(json.dumps({"scenarios": {"a": {"commit": "1"}, "b": {"commit": "1-dirty"}}}))

    faults = list(figures.dirty_results(tmp_path))

    assert [fault.split(":")[0] for fault in faults] == ["dirty.json", "some.json scenario b"]
