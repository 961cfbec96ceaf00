"""The node's database: SQLite in WAL mode or PostgreSQL, one writer, many readers."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from node.store import meta, schema
from node.store.connections import READERS, Connections, connect, ping, storage_failure, without_foreign_keys
from node.store.errors import StorageUnavailable
from node.store.guards import CommitGuard, FileGuard
from node.store.meta import ChainPin
from node.store.writer import Writer

_T = TypeVar("_T")


class Database:
    """The durable state of one node. A completed write survives a crash of the process and of the machine."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._writer = Writer(connections.writer)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        if (file := _file_of(connections)) is not None:
            self.guard(FileGuard(file))

    @classmethod
    async def open(cls, url: str, pin: ChainPin | None = None) -> Self:
        """Connects, migrates the schema and, with `pin`, checks that the database belongs to that chain.

        Raises DatabaseRefused, DatabaseInUse, SchemaUnknown, WrongChain, StorageFull or StorageUnavailable.
        """
        connections = await asyncio.to_thread(_prepared, url, pin)
        return cls(connections)

    async def write(self, change: Callable[[Session], _T]) -> _T:
        """Runs `change(session)` and commits. It runs in a savepoint: if it raises, none of it is kept.

        Changes run one after another and may share a commit. A change must not wait for anything but the database.
        """
        return await self._writer.submit(change)

    async def read(self, query: Callable[[Session], _T]) -> _T:
        """Runs `query(session)` on a snapshot of the committed state."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def guard(self, guard: CommitGuard) -> None:
        """Checks every later commit before its callers learn of it."""
        self._writer.guard(guard)

    @property
    def unsafe(self) -> str | None:
        """Why nothing can be written until the node is restarted; None while all is well."""
        return str(self._writer.unsafe) if self._writer.unsafe is not None else None

    async def close(self) -> None:
        """Commits pending writes and closes the database."""
        await asyncio.to_thread(self._close)

    def _read(self, query: Callable[[Session], _T]) -> _T:
        try:
            with Session(self._connections.reader, expire_on_commit=False) as session:
                return query(session)
        except DBAPIError as error:
            raise storage_failure(error) or error from error

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._connections.dispose()


def _prepared(url: str, pin: ChainPin | None) -> Connections:
    connections = connect(url)
    if (file := _file_of(connections)) is not None:
        _make_private(file)
    try:
        ping(connections)
        with without_foreign_keys(connections.writer), connections.writer.begin() as connection:
            schema.upgrade(connection)
        if pin is not None:
            with Session(connections.writer) as session, session.begin():
                meta.pin_chain(session, pin)
    except DBAPIError as error:
        connections.dispose()
        raise storage_failure(error) or StorageUnavailable(str(error.orig)) from error
    except BaseException:
        connections.dispose()
        raise
    return connections


def _file_of(connections: Connections) -> Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    url = connections.writer.url
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database is not None else None


def _make_private(file: Path) -> None:
    """Creates the file so that only its owner reads it, and takes the rights of others away from an existing one.

    SQLite gives its two side files the mode of the database.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):  # SQLite reports a path that cannot be opened
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for part in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
        with suppress(OSError):
            part.chmod(0o600)
