"""The identity of a file changes with every write to it and with every file put in its place."""

import os
from pathlib import Path

from serving.adapters.file_id import FileId


def identity(path: Path) -> FileId:
    return FileId.of(path.stat())


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = identity(path)

    path.read_bytes()

    assert identity(path) == before


def test_another_file_of_the_same_size_and_times_is_another(tmp_path: Path) -> None:
    path, other = tmp_path / "x", tmp_path / "y"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)

    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert identity(path) != FileId.of(before)


def test_a_longer_file_is_another(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = identity(path)

    with path.open("ab") as file:
        file.write(b"more")

    assert identity(path) != before
