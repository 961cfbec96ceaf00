"""A start for which the machine grants too little ends with one clear error, wherever the lack shows."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.cli.failures import exit_code_of
from node.process.exhaustion import MachineExhausted, StartGuard, exhaustion_of

START = ["start", "--free", "--port", "0", "--admin-port", "0", "--device", "cpu", "--dtype", "fp32"]
LACKS: list[tuple[BaseException, str]] = [
    (MemoryError("Unable to allocate 24.0 MiB"), "memory"),
    (MemoryError(), "memory"),
    (RuntimeError("can't start new thread"), "threads"),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), "memory"),
    (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "memory"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "memory"),
    (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    (OSError(errno.ENOSPC, "No space left on device", "/home/x"), "/home/x.*free some space"),
    (OSError(errno.EROFS, "Read-only file system", "/home/x"), "permissions"),
]


@pytest.mark.parametrize(("lack", "words"), LACKS)
def test_a_lack_says_what_to_do_also_as_the_cause_of_another_error(lack: BaseException, words: str) -> None:
    outer = ValueError("cannot load")
    outer.__cause__ = lack

    for error in (lack, outer):
        failure = exhaustion_of(error)
        assert failure is not None
        assert exit_code_of(failure) == 3
        assert all(word in str(failure) or word in str(failure).lower() for word in words.split(".*"))


@pytest.mark.parametrize("error", [ValueError("memory"), RuntimeError("no"), KeyError(1), FileNotFoundError(2, "x")])
def test_other_errors_are_left_alone(error: BaseException) -> None:
    error.__context__ = error  # a cycle must not hang

    assert exhaustion_of(error) is None


def fails_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(_raise_lack)


def fails_on_a_thread() -> None:
    threading.Thread(target=_raise_lack).start()


def _raise_lack() -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("fail", [fails_in_a_callback, fails_on_a_thread, _raise_lack])
async def test_a_start_that_would_wait_for_ever_ends(fail: Callable[[], None]) -> None:
    async def start() -> None:
        task = asyncio.current_task()
        assert task is not None
        with StartGuard(task):
            fail()
            await asyncio.Event().wait()

    before = threading.excepthook
    try:
        with pytest.raises(MachineExhausted, match="can't start new thread"):
            await asyncio.wait_for(asyncio.ensure_future(start()), 60)
    finally:
        signal.alarm(0)

    assert threading.excepthook is before


def test_too_little_address_space_is_refused_at_once(tmp_path: Path) -> None:
    run = _start(tmp_path / "home", resource.RLIMIT_AS, 700 << 20)

    assert run.returncode == 3
    assert "700 MiB of address space" in run.stderr
    assert "ulimit -v" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    run = _start(tmp_path / "home", resource.RLIMIT_FSIZE, 4096)

    assert run.returncode == 3
    assert "Traceback" not in run.stderr
    assert "should not have happened" not in run.stderr


def test_a_home_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = _start(tmp_path / "file" / "home", resource.RLIMIT_CORE, 0)

    assert run.returncode == 3
    assert "--home" in run.stderr
    assert "Traceback" not in run.stderr


def _start(home: Path, kind: int, limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", "--home", str(home), "--no-color", *START],
        preexec_fn=lambda: resource.setrlimit(kind, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
