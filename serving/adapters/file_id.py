"""The identity of a file's content, without reading it."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileId:
    """Two equal values mean that nobody wrote to the file in between.

    mtime could be set back, but ctime cannot, and another file in its place would have another inode.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "FileId":
        """The identity of the file that `stat` describes."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
