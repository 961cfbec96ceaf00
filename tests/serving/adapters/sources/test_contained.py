"""The files of a folder are opened only if they are regular and no link leaves the folder, also between two looks."""

import os
from pathlib import Path

import pytest

from serving.adapters.sources.contained import ContainedFolder, LinkLeavesFolder, NotRegularFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x" / "sub").mkdir(parents=True)
    (tmp_path / "x" / "file").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "x"


def test_a_file_is_read_and_measured(folder: Path) -> None:
    contained = ContainedFolder(folder)

    with contained.open("file") as file:
        assert file.read() == b"content"
    assert contained.size("file") == 7


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "sub" / "link").symlink_to(folder / "file")
    (folder / "link").symlink_to("sub/link")

    with ContainedFolder(folder).open("link") as file:
        assert file.read() == b"content"


def test_a_sibling_whose_name_begins_like_the_folder_is_outside(folder: Path) -> None:
    (folder.parent / "x-more").write_bytes(b"")
    (folder / "link").symlink_to("../x-more")

    with pytest.raises(LinkLeavesFolder):
        ContainedFolder(folder).size("link")


def test_the_blobs_of_a_cache_that_are_a_link_themselves_are_outside(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--acme--x" / "snapshots" / "c"
    snapshot.mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_bytes(b"secret")
    (tmp_path / "models--acme--x" / "blobs").symlink_to(tmp_path / "private")
    (snapshot / "file").symlink_to("../../blobs/key")

    with pytest.raises(LinkLeavesFolder):
        ContainedFolder(snapshot).open("file")


@pytest.mark.parametrize("swapped", ["file", "sub"])
def test_what_becomes_a_link_after_the_check_is_not_followed(
    swapped: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is checked, then something in it is replaced by a link, then it is opened."""
    (folder / "sub" / "file").write_bytes(b"content")
    (folder / "link").symlink_to("sub/file" if swapped == "sub" else "file")
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "file").write_bytes(b"secret")
    open_file, swaps = os.open, iter([True])

    def swapping(path: str, *args: int, **kwargs: int) -> int:
        if next(swaps, False):
            (folder / swapped).rename(folder / "gone")
            (folder / swapped).symlink_to("../elsewhere" if swapped == "sub" else "../secret")
        return open_file(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapping)

    with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
        ContainedFolder(folder).open("link")


def test_no_descriptor_is_left_open(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    contained, before = ContainedFolder(folder), len(os.listdir("/proc/self/fd"))

    for name in ("pipe", "sub"):
        with pytest.raises(NotRegularFile):
            contained.open(name)
    with pytest.raises(FileNotFoundError):
        contained.open("none")
    contained.open("file").close()

    assert len(os.listdir("/proc/self/fd")) == before
