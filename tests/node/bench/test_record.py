"""What a figure was measured on."""

import subprocess
from pathlib import Path

from node.bench.record import commit, provenance


def test_an_installed_copy_does_not_take_the_commit_of_the_clone_it_lies_in(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "site-packages").mkdir()

    assert commit(tmp_path / "site-packages") == "unknown"


def test_a_folder_without_commits_has_none(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)

    assert commit(tmp_path) == "unknown"


def test_a_result_says_when_and_on_what_it_was_measured() -> None:
    assert provenance().keys() == {"measuredAt", "version", "commit", "machine"}
