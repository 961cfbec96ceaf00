"""The directory of a chain: its lock, the record of the running chain, and reset."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_chain.backend import Engine
from local_chain.errors import HomeInUse, WrongEngine
from local_chain.home import ChainHome, ChainRun
from local_chain.launcher import start_chain

RUN = ChainRun(pid=7, owner_pid=None, engine="pyevm", rpc_url="http://127.0.0.1:8545", genesis_hash="0xab")


def test_a_lock_excludes_others_until_it_is_released(home: Path) -> None:
    first = ChainHome(home)
    lock = first.lock()

    with pytest.raises(HomeInUse, match=f"process {os.getpid()}"):
        ChainHome(home).lock()

    assert first.is_locked()
    assert first.lock_holder() == os.getpid()
    lock.close()
    assert not first.is_locked()
    ChainHome(home).lock().close()


def test_the_lock_of_a_process_that_ended_is_free(home: Path) -> None:
    program = "import sys; from pathlib import Path; from local_chain.home import ChainHome\n"
    program += "lock = ChainHome(Path(sys.argv[1])).lock(); print(ChainHome(Path(sys.argv[1])).is_locked())"

    ended = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert ended.stdout == "True\n"
    assert not ChainHome(home).is_locked()


def test_the_record_of_a_running_chain_is_read_back_until_it_is_withdrawn(home: Path) -> None:
    chain = ChainHome(home)
    home.mkdir()

    chain.announce(RUN)

    assert chain.announced() == RUN
    chain.withdraw()
    assert chain.announced() is None
    chain.withdraw()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 7, "unknown": 1}'])
def test_an_unreadable_record_is_no_record(home: Path, text: str) -> None:
    chain = ChainHome(home)
    home.mkdir()
    chain.announce(RUN)
    (record,) = home.iterdir()

    record.write_text(text)

    assert chain.announced() is None


def test_a_new_home_belongs_to_no_engine(home: Path) -> None:
    chain = ChainHome(home)

    chain.require_engine("pyevm")
    chain.require_engine("anvil")

    assert chain.engine() is None
    assert chain.lock_holder() is None


def test_a_home_belongs_to_the_engine_whose_files_it_holds(home: Path) -> None:
    home.mkdir()
    (home / "pyevm.sqlite").touch()

    assert ChainHome(home).engine() == "pyevm"
    with pytest.raises(WrongEngine, match="--engine pyevm"):
        ChainHome(home).require_engine("anvil")


def test_reset_removes_a_stopped_chain_and_refuses_a_running_one(home: Path, engine: Engine) -> None:
    first = start_chain(home, engine)
    with pytest.raises(HomeInUse):
        ChainHome(home).reset()
    first.stop()

    removed = ChainHome(home).reset()

    assert removed
    assert not any(path.exists() for path in removed)
    assert ChainHome(home).engine() is None


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_this_user_may_read_a_chain_whatever_the_umask(home: Path, engine: Engine, umask: int) -> None:
    before = os.umask(umask)
    try:
        running = start_chain(home, engine)
        while_running = modes(home)
        running.stop()
        ChainHome(home).reset()
        after_reset = modes(home)
    finally:
        os.umask(before)

    assert len(while_running) > 4
    assert {*while_running.values(), *after_reset.values()} == {0o600}
    assert home.stat().st_mode & 0o777 == 0o700


def test_the_files_of_an_older_program_are_made_private_when_the_chain_starts(home: Path) -> None:
    start_chain(home).stop()
    home.chmod(0o755)
    for path in home.iterdir():
        path.chmod(0o644)

    start_chain(home).stop()

    assert set(modes(home).values()) == {0o600}
    assert home.stat().st_mode & 0o777 == 0o700


def modes(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
