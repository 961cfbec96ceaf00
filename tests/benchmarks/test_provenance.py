"""What a figure was measured on."""

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from benchmarks.provenance import commit, libraries, provenance


def test_an_installed_copy_does_not_take_the_commit_of_the_clone_it_lies_in(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "site-packages").mkdir()

    assert commit(tmp_path / "site-packages") == "unknown"


def test_a_folder_without_commits_has_none(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)

    assert commit(tmp_path) == "unknown"


def test_changed_code_is_dirty_and_changed_results_and_texts_are_not(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=tmp_path, check=True)

    git("init", "--quiet")
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    files = [tmp_path / name for name in ("code.py", "README.md", "benchmarks/results/figures.json")]
    for file in files:
        file.write_text("one")
    git("add", ".")
    git("commit", "--quiet", "-m", "One")
    clean = commit(tmp_path)

    for file in files[1:]:
        file.write_text("two")
    after_measuring = commit(tmp_path)
    files[0].write_text("two")

    assert clean == after_measuring
    assert commit(tmp_path) == f"{clean}-dirty"


def test_a_result_says_when_and_on_what_it_was_measured() -> None:
    assert provenance().keys() == {"measuredAt", "version", "commit", "machine"}


def test_a_missing_library_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "peft":
            raise metadata.PackageNotFoundError
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)

    assert libraries() == {"torch": "1.2", "transformers": "1.2", "peft": "not installed"}
