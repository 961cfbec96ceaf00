"""A home has one owner, whose death frees it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.home.lock import HomeLocked, HomeUnusable, owned


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(HomeLocked, match=f"pid {os.getpid()}"), owned(tmp_path):
        pass


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    hold = "import sys, time; from node.home.lock import owned; from pathlib import Path\n"
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
