"""Makes files and their names survive a loss of power."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Returns once a folder's entries, or a file's content, are on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
