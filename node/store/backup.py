"""Copies a SQLite database while it is in use, and puts a copy in its place while it is not."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from node.store.connections import parse_url
from node.store.durable import sync
from node.store.errors import BackupRefused

_SIDE_FILES = ("", "-wal", "-shm")
USE_PG_TOOLS = (
    "back it up with `pg_dump --format=custom --file=FILE DATABASE`, and restore into an empty database with "
    "`pg_restore --exit-on-error --dbname=DATABASE FILE`; the home's high-water mark still guards it"
)


def database_file(url: str) -> Path:
    """The file of a SQLite URL. Raises BackupRefused for PostgreSQL, with what to use instead."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        raise BackupRefused(f"The database is PostgreSQL, and `backup` cannot copy it: {USE_PG_TOOLS}.")
    return Path(parsed.database)


def copy(source: Path, target: Path) -> None:
    """Copies a database to a new file, as it was at one moment; on disk when this returns. A node may use `source`.

    Source: SQLite's online backup API. Raises BackupRefused.
    """
    if not source.is_file():
        raise BackupRefused(f"There is no database at {source}.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise BackupRefused(f"{target} exists; a backup is never overwritten. Give another path.") from None
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read:
            with closing(sqlite3.connect(target)) as write:
                read.backup(write)
                write.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            _check_pages(target)
    except (sqlite3.Error, BackupRefused) as error:
        target.unlink(missing_ok=True)
        raise BackupRefused(f"{source} cannot be copied: {error}") from error
    sync(target)
    sync(target.parent)


def put_in_place(fresh: Path, file: Path) -> Path | None:
    """Renames `fresh` to `file`. Keeps what was there under another name, which it returns; None if nothing was."""
    kept = file.with_name(f"{file.name}.replaced-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    existed = file.exists()
    with closing(sqlite3.connect(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # its log, if one is left, does not move with it
    for end in _SIDE_FILES:
        with suppress(FileNotFoundError):
            file.with_name(file.name + end).rename(kept.with_name(kept.name + end))
    fresh.replace(file)
    sync(file.parent)
    return kept if existed else None


def remove(file: Path) -> None:
    """Removes a database and its side files."""
    for end in _SIDE_FILES:
        file.with_name(file.name + end).unlink(missing_ok=True)


def _check_pages(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != "ok" or broken is not None:
        raise BackupRefused(f"it is damaged ({found if found != 'ok' else 'rows refer to missing rows'})")
