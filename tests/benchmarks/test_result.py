"""Result files, and the refusal to measure what no commit names."""

import json
from pathlib import Path

import pytest

from benchmarks.result import DirtyTree, check_clean, write


def test_a_result_holds_its_figures_and_provenance_in_a_folder_that_need_not_exist(tmp_path: Path) -> None:
    path = write("speed", {"tokens_per_s": 3}, tmp_path / "results")

    document = json.loads(path.read_text())
    assert path == tmp_path / "results" / "speed.json"
    assert document["figures"] == {"tokens_per_s": 3}
    assert {"name", "measuredAt", "version", "commit", "machine"} < document.keys()


def test_code_that_differs_from_its_commit_is_not_measured_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.result.commit", lambda: "abc1234-dirty")

    with pytest.raises(DirtyTree, match=r"abc1234-dirty.*--allow-dirty"):
        check_clean()
    check_clean(allow_dirty=True)


@pytest.mark.parametrize("commit", ["abc1234", "unknown"], ids=["a clean clone", "an installed copy"])
def test_code_of_a_commit_or_of_an_installed_copy_is_measured(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.result.commit", lambda: commit)

    check_clean()
