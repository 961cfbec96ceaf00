"""The lock of a home: one process owns the folder at a time."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path


class HomeLocked(Exception):
    """Another process owns the home. `pid`: its process id, None if the lock file does not say."""

    def __init__(self, home: Path, pid: int | None) -> None:
        owner = f"the node with pid {pid}" if pid else "another node"
        stop = f"stop it (kill {pid})" if pid else "stop it"
        super().__init__(f"{home} is in use by {owner}: {stop}, or give another --home.")
        self.home, self.pid = home, pid


class HomeUnusable(Exception):
    """The home cannot be created or written."""

    def __init__(self, home: Path, reason: str) -> None:
        super().__init__(f"{home} cannot be used: {reason}. Give another --home.")


@contextlib.contextmanager
def owned(home: Path) -> Iterator[None]:
    """Owns `home` while the block runs, and creates the folder if it does not exist.

    Meanwhile every file that this process or a child of it creates is readable by its owner only; files that earlier
    versions left readable by others are closed to them.

    The lock is an flock, which the kernel releases even after `kill -9`. Raises HomeLocked or HomeUnusable.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeUnusable(home, error.strerror or str(error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held_by = os.read(descriptor, 20).decode(errors="replace").strip()
            raise HomeLocked(home, int(held_by) if held_by.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        with _private_files(home):
            yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _private_files(home: Path) -> Iterator[None]:
    """0700 for folders, 0600 for files. Only what others could read is changed; adapters are public anyway."""
    before = os.umask(0o077)
    try:
        for folder, folders, files in os.walk(home):
            if Path(folder) == home:
                folders[:] = [name for name in folders if name != "adapters"]
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                with contextlib.suppress(OSError):  # another user's, or removed meanwhile
                    if not path.is_symlink() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
                        path.chmod(mode & 0o700)
        yield
    finally:
        os.umask(before)
