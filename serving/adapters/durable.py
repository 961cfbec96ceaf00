"""Files that are replaced atomically: a crash while they are written leaves the old file or the new, never a part."""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from serving.errors import StorageFailed

PARTIAL_SUFFIX = ".partial"


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Writes `parts` to `path`: a reader, even after a crash, sees either the old content or all of the new.

    Writes a temporary file in the same folder, then fsync, rename, and fsync of the folder. Raises StorageFailed and
    then leaves no temporary file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name[:32], suffix=PARTIAL_SUFFIX)
    except OSError as error:
        raise storage_failed(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_failed(path, error) from error
    finally:
        Path(partial).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames and deletions in `folder` survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_failed(path: Path, error: OSError) -> StorageFailed:
    """The error for a write to `path` that failed, with advice that depends on whether the disk is full."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "Free some space there and try again." if full else "Check the folder's owner and permissions."
    return StorageFailed("write", path, error.strerror or str(error), hint)
