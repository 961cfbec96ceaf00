"""Copies of files that somebody writes to, under a clock that the test moves."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.adapters.sources.steady import QUIET_S, SteadyFolder
from serving.errors import SourceUnavailable


class Clock:
    """Seconds that pass only while somebody sleeps; `during` runs before each sleep ends."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.during: list[Callable[[], None]] = []
        self.slept_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept_s += seconds
        if self.during:
            self.during.pop(0)()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"old")
    return tmp_path


@pytest.fixture
def clock(folder: Path) -> Clock:
    return Clock((folder / "b").stat().st_mtime)


def steady(folder: Path, clock: Clock) -> SteadyFolder:
    return SteadyFolder("file:x", folder, ("a", "b", "absent"), 10.0, lambda: clock.now, clock.sleep)


def write(path: Path, content: bytes, clock: Clock) -> None:
    path.write_bytes(content)
    os.utime(path, (clock.now, clock.now))


def test_files_at_rest_are_copied_once_and_at_once(folder: Path, clock: Clock) -> None:
    clock.now += 60
    copies: list[bytes] = []

    steady(folder, clock).copy(lambda check: copies.append((folder / "a").read_bytes()))

    assert (copies, clock.slept_s) == ([b"old"], 0)


def test_fresh_files_are_copied_when_they_have_rested(folder: Path, clock: Clock) -> None:
    steady(folder, clock).copy(lambda check: None)

    assert clock.slept_s == pytest.approx(QUIET_S)


@pytest.mark.parametrize("change", ["rewrite", "replace", "add", "remove"])
def test_a_change_during_the_copy_begins_it_again(folder: Path, clock: Clock, change: str) -> None:
    clock.now += 60
    copies: list[dict[str, bytes]] = []

    def copy(check: Callable[[], None]) -> None:
        check()
        copies.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
        if len(copies) > 1:
            return
        match change:
            case "rewrite":
                write(folder / "b", b"new", clock)
            case "replace":
                write(folder / "b.new", b"new", clock)
                (folder / "b.new").rename(folder / "b")
            case "add":
                write(folder / "absent", b"new", clock)
            case "remove":
                (folder / "b").unlink()

    steady(folder, clock).copy(copy)

    assert len(copies) == 2
    assert copies[-1] != copies[0]


def test_a_check_ends_a_copy_that_is_lost_already(folder: Path, clock: Clock) -> None:
    clock.now += 60
    ended: list[bool] = []

    def copy(check: Callable[[], None]) -> None:
        if not ended:
            ended.append(False)
            write(folder / "a", b"new", clock)
            check()
        ended.append(True)

    steady(folder, clock).copy(copy)

    assert ended == [False, True]


def test_files_dated_in_the_future_are_watched_instead(folder: Path, clock: Clock) -> None:
    clock.now -= 3600

    steady(folder, clock).copy(lambda check: None)

    assert clock.slept_s == pytest.approx(QUIET_S)


def test_a_file_that_is_written_to_all_the_time_is_refused_with_what_to_do(folder: Path, clock: Clock) -> None:
    clock.during = [lambda i=i: write(folder / "a", b"%03d" % i, clock) for i in range(100)]  # type: ignore[misc]

    with pytest.raises(SourceUnavailable, match="kept changing for 10 s; load it when they are complete") as refusal:
        steady(folder, clock).copy(lambda check: pytest.fail("it was copied"))

    assert refusal.value.retry_after_s


def test_an_error_during_a_change_does_not_count_and_any_other_does(folder: Path, clock: Clock) -> None:
    clock.now += 60
    attempts: list[int] = []

    def copy(check: Callable[[], None]) -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            write(folder / "a", b"new", clock)
        raise OSError(f"attempt {len(attempts)}")

    with pytest.raises(OSError, match="attempt 2"):
        steady(folder, clock).copy(copy)
