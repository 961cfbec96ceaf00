"""A home has one owner, and says who and where it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.home.folder import HomeLocked, HomeUnusable, Running, forget, owned

RUNNING = Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", "dev", None)


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(HomeLocked, match=f"pid {os.getpid()}"), owned(tmp_path):
        pass


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    hold = "import sys, time; from node.home.folder import owned; from pathlib import Path\n"
    hold += "with owned(Path(sys.argv[1])): print('owned', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "owned\n"
        with pytest.raises(HomeLocked, match=str(child.pid)), owned(tmp_path):
            pass
        child.kill()

    with owned(tmp_path):
        pass


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HomeUnusable, match="file/home"), owned(tmp_path / "file" / "home"):
        pass


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


def test_forgetting_twice_is_fine(tmp_path: Path) -> None:
    RUNNING.write(tmp_path)
    forget(tmp_path)
    forget(tmp_path)

    assert Running.read(tmp_path) is None
