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
    """The error for a write to `path` that failed, with advice that depends on what is used up."""
    return StorageFailed("write", path, error.strerror or str(error), _advice(error))


def read_failed(path: Path, error: OSError) -> StorageFailed:
    """The error for a file of the node's own disk that cannot be read, which says nothing about its content."""
    return StorageFailed("read", path, error.strerror or str(error), _advice(error))


def read_whole(path: Path) -> bytes:
    """The content of a file of the node's own disk. Raises FileNotFoundError, StorageFailed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise read_failed(path, error) from error


def check_readable(path: Path) -> None:
    """Raises StorageFailed if `path` is there and this process cannot open it now."""
    try:
        path.open("rb").close()
    except (FileNotFoundError, IsADirectoryError):
        return
    except OSError as error:
        raise read_failed(path, error) from error


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "Free some space there and try again."
        case errno.EMFILE | errno.ENFILE:
            return "The node has too many files open: try again, or raise its limit (ulimit -n)."
        case errno.ENOMEM | errno.EAGAIN:
            return "The node is short of memory: try again, or give it more."
    return "Check the folder's owner and permissions."
