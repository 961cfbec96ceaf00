"""`run.json` names the node that runs in a home, and only while it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.home.run_file import Running, remove_run_file

RUNNING = Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", "dev", None)


def test_run_json_is_for_the_owner_only_and_reads_back(tmp_path: Path) -> None:
    RUNNING.write(tmp_path)

    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    assert Running.read(tmp_path) == RUNNING


def test_a_node_that_is_gone_is_not_running(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Running(gone.pid, "http://x", "http://x", "token", "dev", None).write(tmp_path)

    assert Running.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_damaged_run_json_means_that_no_node_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)

    assert Running.read(tmp_path) is None


def test_removing_the_file_twice_is_fine(tmp_path: Path) -> None:
    RUNNING.write(tmp_path)
    remove_run_file(tmp_path)
    remove_run_file(tmp_path)

    assert Running.read(tmp_path) is None
