"""A large file is hashed once, and again whenever anything about it has changed."""

import os
import time
from pathlib import Path

import pytest

from serving.adapters.digests import base_digest, file_digest
from serving.adapters.known_digests import KnownDigests


class Home:
    """Hashes files as starts of a node do, an hour after they were written, and counts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home" / "digests.json"
        self.hashed: list[str] = []
        self.age_s = 3600.0

    def start(self) -> KnownDigests:
        self.hashed = []
        return KnownDigests(self.path, self._digest, lambda: time.time() + self.age_s)

    def digest(self, file: Path) -> str:
        """What a start finds."""
        known = self.start()
        digest = known.of(file)
        known.save()
        assert digest == file_digest(file)
        return digest

    def _digest(self, file: Path) -> str:
        self.hashed.append(file.name)
        return file_digest(file)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "model.safetensors"
    made.write_bytes(b"weights" * 1000)
    return made


def test_an_unchanged_file_is_hashed_by_the_first_start_only(home: Home, file: Path) -> None:
    first = home.digest(file)
    assert home.hashed == [file.name]

    assert home.digest(file) == first
    assert home.hashed == []


@pytest.mark.parametrize("change", ["content", "content, its time set back", "another file in its place", "a copy"])
def test_a_changed_file_is_noticed(home: Home, file: Path, change: str) -> None:
    home.digest(file)
    before = file.stat()
    time.sleep(0.02)  # the times of files move in ticks
    other = file.with_name("other")
    other.write_bytes(b"forgery" * 1000)

    if change == "another file in its place":
        os.replace(other, file)
    elif change == "a copy":
        file.unlink()
        file.symlink_to(other)
    else:
        file.write_bytes(other.read_bytes())
    if change == "content, its time set back":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    home.digest(file)
    assert home.hashed == [file.name]


def test_a_file_that_has_just_been_written_is_hashed_again(home: Home, file: Path) -> None:
    home.age_s = 0.0
    home.digest(file)

    home.digest(file)
    assert home.hashed == [file.name]


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"x": 5}', b"\xff"])
def test_what_is_kept_and_cannot_be_read_costs_a_hash_and_nothing_else(home: Home, file: Path, kept: bytes) -> None:
    home.digest(file)
    home.path.write_bytes(kept)

    home.digest(file)
    assert home.hashed == [file.name]
    home.digest(file)
    assert home.hashed == []


def test_a_home_that_takes_no_file_serves_all_the_same(home: Home, file: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    home.digest(file)


def test_a_base_has_the_same_name_with_and_without_what_is_known(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(100))
    expected = base_digest(folder)

    for hashed in (["config.json", "model.safetensors"], []):
        known = home.start()
        assert base_digest(folder, digest_of=known.of) == expected
        assert home.hashed == hashed
        known.save()
