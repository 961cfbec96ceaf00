"""The SQLite file of py-evm: trie nodes and headers by key, event logs by block, and named settings."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth.db.backends.base import BaseDB

from local_chain.errors import CorruptChain

_SCHEMA = """
CREATE TABLE IF NOT EXISTS node (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    block INTEGER NOT NULL, position INTEGER NOT NULL, transaction_index INTEGER NOT NULL,
    transaction_hash BLOB NOT NULL, block_hash BLOB NOT NULL, timestamp INTEGER NOT NULL,
    address BLOB NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (block, position)
) WITHOUT ROWID;
"""
_CACHED_NODES = 200_000


@dataclass(frozen=True, slots=True)
class LogRow:
    """An event log with its place in the chain. `position` counts within the block, `topics` are 32-byte words."""

    block: int
    position: int
    transaction_index: int
    transaction_hash: bytes
    block_hash: bytes
    timestamp: int
    address: bytes
    topics: bytes
    data: bytes

    def topic_words(self) -> list[bytes]:
        """The topics, 32 bytes each."""
        return [self.topics[start : start + 32] for start in range(0, len(self.topics), 32)]


class ChainDatabase(BaseDB):
    """The key-value store of py-evm. Writes remain in memory until `commit` writes a whole block at once.

    Since `synchronous = FULL`, what was committed survives `kill -9` and power loss. One thread at a time. Raises
    CorruptChain if the file is no such database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: dict[bytes, bytes | None] = {}
        self._cache: dict[bytes, bytes] = {}
        self._logs: list[LogRow] = []
        self._settings: dict[str, int] = {}
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise CorruptChain.at(path, str(error)) from error

    def __getitem__(self, key: bytes) -> bytes:
        value = self._pending[key] if key in self._pending else self._cache.get(key) or self._stored(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        if key not in self:
            raise KeyError(key)
        self._pending[key] = None

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def _stored(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value FROM node WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        value = bytes(row[0])
        self._remember(key, value)
        return value

    def _remember(self, key: bytes, value: bytes) -> None:
        if len(self._cache) >= _CACHED_NODES:
            self._cache.clear()
        self._cache[key] = value

    def setting(self, name: str) -> int | None:
        """A committed setting; None if it was never set."""
        row = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def change_setting(self, name: str, value: int) -> None:
        """Changes a setting with the next commit."""
        self._settings[name] = value

    def add_logs(self, rows: Iterable[LogRow]) -> None:
        """Adds event logs with the next commit."""
        self._logs.extend(rows)

    def commit(self) -> None:
        """Writes all changes since the last commit in one durable SQLite transaction."""
        written = [(key, value) for key, value in self._pending.items() if value is not None]
        deleted = [(key,) for key, value in self._pending.items() if value is None]
        logs = [
            (
                r.block,
                r.position,
                r.transaction_index,
                r.transaction_hash,
                r.block_hash,
                r.timestamp,
                r.address,
                r.topics,
                r.data,
            )
            for r in self._logs
        ]
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        try:
            run.executemany("INSERT OR REPLACE INTO node VALUES (?, ?)", written)
            run.executemany("DELETE FROM node WHERE key = ?", deleted)
            run.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", logs)
            run.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?)", list(self._settings.items()))
            run.execute("COMMIT")
        except BaseException:
            run.execute("ROLLBACK")
            raise
        for key, value in written:
            self._remember(key, value)
        for (key,) in deleted:
            self._cache.pop(key, None)
        self.discard()

    def discard(self) -> None:
        """Drops all changes since the last commit."""
        self._pending.clear()
        self._logs.clear()
        self._settings.clear()

    def logs(self, first: int, last: int, addresses: Sequence[bytes]) -> list[LogRow]:
        """The logs of blocks first..last (inclusive) of these contracts, or of all if none is given, in chain order."""
        query = "SELECT * FROM log WHERE block BETWEEN ? AND ?"
        values: list[int | bytes] = [first, last]
        if addresses:
            query += f" AND address IN ({','.join('?' * len(addresses))})"
            values += addresses
        return [LogRow(*row) for row in self._connection.execute(query + " ORDER BY block, position", values)]

    def close(self) -> None:
        """Closes the file. Changes that were not committed are lost."""
        self._connection.close()
