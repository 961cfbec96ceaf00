"""Reading a folder that a stranger may have made: links must stay inside it, and only regular files are opened."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CACHED_REPOSITORY = re.compile(r"(models|datasets|spaces)--.+")
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)
"""Opens a directory that may be searched but not listed, where the system can."""


class LinkLeavesFolder(Exception):
    """A file of the folder is a link to a place outside it."""


class NotRegularFile(Exception):
    """A name of the folder is no file. `kind` says what it is: "a directory", "a link that leads nowhere"."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"it is {kind}, not a regular file")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ContainedFolder:
    """The files of `path`, a folder without links in its own path.

    A file may be a link if its target is inside the folder as well. The cache of `huggingface_hub` is the one
    exception: its models--org--name/snapshots/<commit>/ holds links to models--org--name/blobs/.
    """

    path: Path

    def resolve(self, name: str) -> Path:
        """The path of the file `name` with all links followed. Raises LinkLeavesFolder; the target need not exist."""
        target = Path(os.path.realpath(self.path / name))
        if any(target.is_relative_to(root) for root in (self.path, *self._cached_blobs())):
            return target
        raise LinkLeavesFolder(name)

    def size(self, name: str) -> int:
        """Bytes of the file `name`. Raises LinkLeavesFolder, NotRegularFile, OSError."""
        return _regular(self._status(name)).st_size

    def open(self, name: str) -> BinaryIO:
        """The file `name` for reading; never waits, as a named pipe would make it.

        Raises LinkLeavesFolder, NotRegularFile, OSError.
        """
        target = self.resolve(name)
        _regular(self._status(name))  # before it is opened: opening a device can act on it
        descriptor = _open_without_links(target)
        try:
            _regular(os.fstat(descriptor))
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def _status(self, name: str) -> os.stat_result:
        target = self.resolve(name)
        try:
            status = os.stat(target, follow_symlinks=False)
        except FileNotFoundError:
            if (self.path / name).is_symlink():
                raise NotRegularFile("a link that leads nowhere") from None
            raise
        if stat.S_ISLNK(status.st_mode):  # links that lead to each other are all that is left of links by now
            raise NotRegularFile("a link that leads nowhere")
        return status

    def _cached_blobs(self) -> list[Path]:
        """Where the links of this folder lead if it is a snapshot in the cache of `huggingface_hub`."""
        return [
            parent.parent / "blobs"
            for parent in self.path.parents
            if parent.name == "snapshots" and _CACHED_REPOSITORY.fullmatch(parent.parent.name)
        ]


def _regular(status: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(status.st_mode)), "something else")
        raise NotRegularFile(kind)
    return status


def _open_without_links(path: Path) -> int:
    """A descriptor of `path`, which has no links: no component may have become one since. Raises OSError."""
    folder = os.open(path.anchor, _PATH_ONLY | os.O_DIRECTORY)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, _PATH_ONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
