"""Whether a file is still what it was."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileId:
    """A file's identity and last change: where all are the same, nobody has written to it in between.

    The times alone could be set back, but for ctime, and a file put in its place would have another inode.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "FileId":
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
