"""The kept list: whatever is changed and wherever a crash strikes, what was acknowledged is there again."""

import errno
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters import journal as journal_module
from serving.adapters.index import Entry, Index, Ingested
from serving.adapters.journal import Change, Journal, Named, Reingested, Retired, Unnamed
from serving.errors import StorageFailed
from serving.types import AdapterDigest


def entry(number: int) -> Entry:
    """Some share a source, some of these even what it was pinned to."""
    source = f"hf:o/s{number % 3}"
    return Entry(source=source, pinned_source=f"{source}@{number % 2}", immutable=number % 4 > 0, names=())


def named(name: str, number: int) -> Named:
    return Named(name=name, digest=AdapterDigest(f"{number:064x}"), entry=entry(number))


def any_change(rng: random.Random, index: Index) -> Change:
    if index.names and rng.random() < 0.3:
        return Unnamed(name=rng.choice(sorted(index.names)))
    surplus = {name: found for name in index.names if (found := index.surplus(name, rng.randint(0, 2)))}
    if surplus and rng.random() < 0.5:
        name = rng.choice(sorted(surplus))
        return Retired(name=name, digests=tuple(surplus[name]))
    if index.versions and rng.random() < 0.2:
        digest = rng.choice(list(index.versions))
        return Reingested(blobs={digest: Ingested(blob=f"{rng.random()}", rank=rng.randint(1, 9), nbytes=64)})
    return named(rng.choice("abcdef"), rng.randint(1, 8))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.json"


@given(seed=st.integers(0, 10**6))
def test_what_is_read_again_is_what_was_recorded(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng, path = random.Random(seed), tmp_path_factory.mktemp("journal") / "index.json"
    journal = Journal(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "_LEAST_CHANGES", rng.randint(1, 12))
        for _ in range(rng.randint(1, 30)):
            journal.record(any_change(rng, journal.index))
            if rng.random() < 0.2:
                journal.close()
                again = Journal(path)
                assert again.index == journal.index == Index.of(again.index.names, again.index.versions)
                assert list(again.index.versions) == list(journal.index.versions)  # the newest last
                journal = again
    journal.close()


def test_a_change_costs_a_line_and_not_the_list(path: Path) -> None:
    journal = Journal(path)
    for number in range(1, 300):
        journal.record(named(f"n{number}", number))
    snapshot = path.stat()
    before = path.with_suffix(".log").stat().st_size

    journal.record(named("one more", 300))

    assert path.with_suffix(".log").stat().st_size - before < 500
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (snapshot.st_mtime_ns, snapshot.st_ino)


@pytest.mark.parametrize("left", ["no byte", "a part", "all but the line's end", "zeros", "a wrong byte"])
def test_a_last_line_that_a_crash_has_cut_short_is_ignored_and_written_over(path: Path, left: str) -> None:
    journal = Journal(path)
    for number in (1, 2, 3):
        journal.record(named(f"n{number}", number))
    known = journal.index
    journal.record(named("lost", 4))
    journal.close()
    log = path.with_suffix(".log")
    *whole, last = log.read_bytes().splitlines(keepends=True)
    torn = {
        "no byte": b"",
        "a part": last[:30],
        "all but the line's end": last[:-1],
        "zeros": bytes(len(last)),
        "a wrong byte": last[:20] + b"#" + last[21:],
    }
    log.write_bytes(b"".join(whole) + torn[left])

    again = Journal(path)
    assert again.index == known
    after = again.record(named("later", 5))
    again.close()
    assert Journal(path).index == after


def test_a_crash_between_snapshot_and_log_loses_and_doubles_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_LEAST_CHANGES", 3)
    journal = Journal(path)
    for number in range(1, 5):
        journal.record(named(f"n{number}", number))
    old_log = path.with_suffix(".log").read_bytes()
    expected = journal.record(Unnamed(name="n1"))  # the fifth change begins the next generation

    assert path.with_suffix(".log").read_bytes() == old_log
    assert Journal(path).index == expected
    after = Journal(path).record(named("n1", 9))
    assert Journal(path).index == after


@pytest.mark.parametrize("damaged", ["a line amid others", "the snapshot is gone", "no JSON"])
def test_a_list_that_cannot_be_read_is_an_error_and_never_an_empty_list(path: Path, damaged: str) -> None:
    journal = Journal(path)
    for number in (1, 2, 3):
        journal.record(named(f"n{number}", number))
    log = path.with_suffix(".log")
    match damaged:
        case "a line amid others":
            lines = log.read_bytes().splitlines(keepends=True)
            log.write_bytes(lines[0] + lines[1].replace(b"n2", b"nX") + lines[2])
        case "the snapshot is gone":
            path.unlink()
        case "no JSON":
            path.write_text("{")

    with pytest.raises(StorageFailed, match="Cannot read the list of adapters"):
        Journal(path)


def test_a_full_disk_refuses_the_change_and_the_next_one_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    for number in (1, 2, 3):
        known = journal.record(named(f"n{number}", number))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFailed, match="Free some space"):
            journal.record(named("lost", 4))
    assert journal.index == known
    after = journal.record(named("n5", 5))
    journal.close()

    assert "lost" not in Journal(path).index.names
    assert Journal(path).index == after
