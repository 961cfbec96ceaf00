"""A file is replaced whole or not at all, and a failed write names the path and what to do."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.adapters.durable import storage_failed, sync_folder, write_whole
from serving.errors import StorageFailed


def test_parts_are_written_in_order_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"

    write_whole(path, [b"one ", memoryview(b"two")])
    sync_folder(path.parent)

    assert path.read_bytes() == b"one two"
    assert os.listdir(path.parent) == ["b"]


def test_a_write_that_breaks_off_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, [b"old"])

    def breaking() -> Iterator[bytes]:
        yield b"half of the new"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFailed, match=r"Cannot write .*file: No space left on device\. Free some space"):
        write_whole(path, breaking())

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_in_place_of_the_folder_is_a_failure_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageFailed, match="owner and permissions"):
        write_whole(tmp_path / "file" / "inner", [b"x"])


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EDQUOT, "Free some space"), (errno.EACCES, "owner and permissions")]
)
def test_the_advice_depends_on_the_error(number: int, advice: str) -> None:
    assert advice in str(storage_failed(Path("x"), OSError(number, os.strerror(number))))
