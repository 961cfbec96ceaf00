"""A home has one owner, whose death frees it."""

import os
import stat
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


def modes(home: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.rglob("*"))}


def test_what_the_owner_writes_is_read_by_nobody_else_also_what_a_child_writes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with owned(home):
        (home / "chain").mkdir()
        (home / "chain" / "deployment.json").write_text("{}")
        subprocess.run(["touch", str(home / "chain" / "chain.log")], check=True)

        found = modes(home)

    assert {found.pop("home"), found.pop("chain")} == {0o700}
    assert set(found.values()) == {0o600}


def test_what_an_earlier_version_left_open_is_closed_and_links_are_left_alone(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "chain").mkdir(parents=True, mode=0o755)
    for path in (home / "node.db", home / "chain" / "pyevm.sqlite", outside):
        path.write_text("")
        path.chmod(0o644)
    (home / "link").symlink_to(outside)
    (home / "start.sh").write_text("")
    (home / "start.sh").chmod(0o755)

    with owned(home):
        found = modes(home)

    assert (found["node.db"], found["pyevm.sqlite"], found["start.sh"]) == (0o600, 0o600, 0o700)
    assert (found["home"], found["chain"]) == (0o700, 0o700)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
