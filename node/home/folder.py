"""A node's folder: one process owns it, and tells the operator's other commands where it listens."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from local_chain.deployment import Deployment

DEPLOYMENT = "deployment.json"


class HomeLocked(Exception):
    """Another process owns the home."""

    def __init__(self, home: Path, pid: int | None) -> None:
        who = f"the node with pid {pid}" if pid else "another node"
        stop = f"stop it (kill {pid})" if pid else "stop it"
        super().__init__(f"{home} is in use by {who}: {stop}, or give another --home.")
        self.home, self.pid = home, pid


class HomeUnusable(Exception):
    """The home cannot be created or written."""

    def __init__(self, home: Path, reason: str) -> None:
        super().__init__(f"{home} cannot be used: {reason}. Give another --home.")


@contextlib.contextmanager
def owned(home: Path) -> Iterator[None]:
    """Own `home` while the block runs. The kernel gives the lock back even after `kill -9`."""
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
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Running:
    """What `run.json` tells about the node that owns the home."""

    pid: int
    url: str
    admin_url: str
    admin_token: str
    mode: str
    chain_url: str | None

    def write(self, home: Path) -> None:
        """Readable by the owner only, and whole at any moment."""
        path, fresh = home / "run.json", home / "run.json.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
        fresh.replace(path)

    @classmethod
    def read(cls, home: Path) -> "Running | None":
        """The running node of this home; None if none runs, also where one died without removing its file."""
        try:
            document = json.loads((home / "run.json").read_text())
            found = cls(**{field.name: document[field.name] for field in fields(cls)})
            os.kill(found.pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found


def write_deployment(home: Path, deployment: Deployment) -> None:
    """Keep where the contracts stand, so that commands in this home need not take a node's word for it."""
    (home / DEPLOYMENT).write_text(json.dumps(deployment.to_json(), indent=2) + "\n")


def forget(home: Path) -> None:
    """Remove `run.json`: nobody listens any more."""
    (home / "run.json").unlink(missing_ok=True)
