"""The directory of a chain: its lock, the process that runs it, and the engine that created it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from local_chain.anvil import BIRTH_NAME, STATE_NAME
from local_chain.backend import Engine
from local_chain.errors import HomeInUse, WrongEngine

LOG_NAME = "chain.log"
_RUN_NAME = "chain.json"
_LOCK_NAME = "chain.lock"
_DEPLOY_LOCK_NAME = "deploy.lock"
_LOCK_TIMEOUT_S = 0.5
"""`is_locked` holds a shared lock for a moment, so `lock` retries for longer than that."""
_FILES: dict[Engine, str] = {"pyevm": "pyevm.sqlite", "anvil": STATE_NAME}


@dataclass(frozen=True, slots=True)
class ChainRun:
    """A running chain: its process, the process it ends with (None if it ends by itself), and where it answers."""

    pid: int
    owner_pid: int | None
    engine: Engine
    rpc_url: str
    genesis_hash: str


@dataclass(frozen=True, slots=True)
class ChainHome:
    """The files of one chain. Only the process that holds the lock may run the chain."""

    path: Path

    def engine(self) -> Engine | None:
        """The engine whose chain is stored here; None if there is no chain yet."""
        return next((engine for engine, name in _FILES.items() if (self.path / name).exists()), None)

    def require_engine(self, asked: Engine) -> None:
        """Raises WrongEngine if the other engine's chain is stored here."""
        made_by = self.engine()
        if made_by is not None and made_by != asked:
            raise WrongEngine.of(self.path, made_by, asked)

    def lock(self) -> IO[str]:
        """Takes the lock for as long as the returned file stays open. Raises HomeInUse."""
        file = self._lock_file()
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                file.close()
                raise HomeInUse.by(self.path, f"process {self.lock_holder() or 'unknown'}")
            time.sleep(0.01)
        self._make_private()
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    def open_log(self) -> IO[str]:
        """The log of the chain's process, to append to."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(self.path / LOG_NAME, "a", opener=_private)

    def _make_private(self) -> None:
        """Only this user may read the chain's files, also those of older versions of this program."""
        self.path.chmod(0o700)
        for path in self.path.iterdir():
            if path.is_file() and not path.is_symlink():
                path.chmod(0o600)

    @contextmanager
    def deploying(self) -> Iterator[None]:
        """Waits until no other process deploys to this chain: two deployers would take each other's nonces."""
        with self._lock_file(_DEPLOY_LOCK_NAME) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def lock_holder(self) -> int | None:
        """The process that took the lock last; None if that is unknown."""
        try:
            return int((self.path / _LOCK_NAME).read_text())
        except (OSError, ValueError):
            return None

    def is_locked(self) -> bool:
        """Whether a process holds the lock."""
        with self._lock_file() as file:
            return not _try_lock(file, fcntl.LOCK_SH)

    def _lock_file(self, name: str = _LOCK_NAME) -> IO[str]:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(self.path / name, "a+", opener=_private)

    def announce(self, run: ChainRun) -> None:
        """Records the running chain. Readers see the old record or the new one, never a part."""
        draft = self.path / f"{_RUN_NAME}.new"
        with open(draft, "w", opener=_private) as file:
            file.write(json.dumps(asdict(run), indent=2) + "\n")
        draft.replace(self.path / _RUN_NAME)

    def withdraw(self) -> None:
        """Removes the record of the running chain."""
        with suppress(FileNotFoundError):
            (self.path / _RUN_NAME).unlink()

    def announced(self) -> ChainRun | None:
        """The recorded running chain, which may have been killed since; None if there is no record."""
        try:
            return ChainRun(**json.loads((self.path / _RUN_NAME).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def reset(self) -> tuple[Path, ...]:
        """Removes the chain and returns the files that were removed. Raises HomeInUse while the chain runs."""
        with self.lock():
            names = [*_FILES.values(), "pyevm.sqlite-wal", "pyevm.sqlite-shm", BIRTH_NAME, _RUN_NAME, LOG_NAME]
            removed = tuple(self.path / name for name in names if (self.path / name).exists())
            for file in removed:
                file.unlink()
        return removed


def _private(path: str, flags: int) -> int:
    """Opens a file that only this user may read. To be used as `opener`."""
    return os.open(path, flags, 0o600)


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
