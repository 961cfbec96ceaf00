"""The README's table of bars and its plot, made from results on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.provenance import FORMAT
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
    assert "`ci` profile: Fast, 2 cores, 2 threads, at commit `abc1234`. Other processes took at most 1 %" in shown
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
