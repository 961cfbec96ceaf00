"""Opens SQLite and PostgreSQL databases so that a commit is on disk when it returns."""

import importlib.util
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from node.redaction import shown_url
from node.store.columns import add_amount_texts, subtract_amount_texts
from node.store.errors import DatabaseInUse, DatabaseRefused, StorageFull, StorageUnavailable, StoreError

BUSY_TIMEOUT_S = 10
READERS = 4
WRITER_LOCK = 0x6F70656E6C6F7261
"""PostgreSQL advisory lock held by the process that writes: the bytes of "openlora"."""
WRITER_WAIT_S = 2.0
"""How long the server may take to notice that the process with the lock has died."""


@dataclass(frozen=True, slots=True)
class Connections:
    """writer: one connection; every transaction starts as a write. reader: a pool of read-only connections."""

    writer: Engine
    reader: Engine

    def dispose(self) -> None:
        """Closes all connections."""
        self.reader.dispose()
        self.writer.dispose()


def connect(url: str) -> Connections:
    """Engines for a SQLite file or a PostgreSQL database. Raises DatabaseRefused for every other URL."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Connections(_sqlite(parsed, writes=True), _sqlite(parsed, writes=False))
    return Connections(_postgresql(parsed, writes=True), _postgresql(parsed, writes=False))


def parse_url(url: str) -> URL:
    """The parsed URL with its driver set. Raises DatabaseRefused."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseRefused(url, "it is not a database URL") from error
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise DatabaseRefused(url, "a database in memory forgets receipts")
        if parsed.query:
            raise DatabaseRefused(url, "SQLite options are set by the node")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        if not parsed.database:
            raise DatabaseRefused(url, "it names no database")
        if importlib.util.find_spec("psycopg") is None:
            raise DatabaseRefused(url, "its driver is missing: pip install 'openlora-node[postgres]'")
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseRefused(url, f"{parsed.drivername} is not supported")


def storage_failure(error: BaseException | None) -> StoreError | None:
    """The failure of the storage in the chain of exceptions behind `error`; None if only a statement was wrong.

    SQLite rolls the whole transaction back when its disk fails. The last exception may then be about a savepoint that
    no longer exists.
    """
    while error is not None:
        if isinstance(error, StorageFull | StorageUnavailable):
            return error
        if isinstance(error, DBAPIError) and (found := _reported(error)) is not None:
            return found
        error = error.__context__
    return None


def _reported(error: DBAPIError) -> StoreError | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return StorageFull()
        if code in _SQLITE_OUTAGES:
            return StorageUnavailable(f"SQLite: {cause}")
        return None
    state = getattr(cause, "sqlstate", None)
    if state == "53100":
        return StorageFull()
    if error.connection_invalidated or state is None or state[:2] in ("08", "53", "57", "58"):
        return StorageUnavailable(f"PostgreSQL: {cause}")
    return None


_SQLITE_OUTAGES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)


def _sqlite(url: URL, *, writes: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if writes else READERS,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = (
            None  # the driver would begin transactions itself, too late for savepoints and reads
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.create_function("openlora_plus", -1, add_amount_texts, deterministic=True)
        connection.create_function("openlora_minus_or_zero", 2, subtract_amount_texts, deterministic=True)
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # a deferred transaction that becomes a write can fail with SQLITE_BUSY at once
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def without_foreign_keys(writer: Engine) -> Iterator[None]:
    """SQLite checks no references meanwhile: a migration replaces tables that rows of other tables refer to.

    Source: https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".
    """
    if writer.dialect.name != "sqlite":
        yield
        return
    _set_foreign_keys(writer, "OFF")
    try:
        yield
    finally:
        _set_foreign_keys(writer, "ON")


def _set_foreign_keys(writer: Engine, state: str) -> None:
    connection = writer.raw_connection()  # outside of a transaction, in which the setting has no effect
    try:
        connection.cursor().execute(f"PRAGMA foreign_keys={state}")
    finally:
        connection.close()


def _postgresql(url: URL, *, writes: bool) -> Engine:
    options = {"options": "-c synchronous_commit=on" + ("" if writes else " -c default_transaction_read_only=on")}
    engine = create_engine(
        url, pool_size=1 if writes else READERS, max_overflow=0, pool_pre_ping=True, connect_args=options
    )
    if writes:

        @event.listens_for(engine, "connect")
        def lock(connection: Any, record: object) -> None:
            if not _take_writer_lock(connection):
                shown = shown_url(url.render_as_string(hide_password=False))
                raise DatabaseInUse(
                    f"Another node process writes to the database at {shown}. Stop it first, or give this node a "
                    "database of its own."
                )

    return engine


def _take_writer_lock(connection: Any) -> bool:
    """Takes WRITER_LOCK for the life of the connection; False if another process holds it."""
    deadline = time.monotonic() + WRITER_WAIT_S
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (WRITER_LOCK,))
            taken: bool = cursor.fetchone()[0]
            connection.commit()
            if taken or time.monotonic() >= deadline:
                return taken
            time.sleep(0.05)


def ping(connections: Connections) -> None:
    """One round trip on both engines, so that a wrong URL fails at start and not at the first request."""
    for engine in (connections.writer, connections.reader):
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))
