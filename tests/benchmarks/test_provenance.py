"""What a figure was measured on."""

import math
import os
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.provenance import commit, others_s, provenance


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


def test_what_others_used_is_what_was_busy_less_our_own(tmp_path: Path) -> None:
    stat, tick_s = tmp_path / "stat", 1 / os.sysconf("SC_CLK_TCK")

    stat.write_text("cpu  100000 2000 30000 999999 888888 40 50 600 7 8\ncpu0 1 2 3\n")

    busy_s = 132_690 * tick_s  # neither idle, nor waiting for a disk, nor a guest, whose time the user's holds
    assert others_s(stat) == pytest.approx(busy_s - time.process_time(), abs=0.5)
    assert math.isnan(others_s(tmp_path / "none"))
