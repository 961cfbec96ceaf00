"""What `doctor` compares: the database read-only, the chain if one is known, and the modes of the home's files."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING

from node.cli import reconciliation
from node.cli.chain_connection import connect
from node.cli.context import Context
from node.cli.diagnosis import Finding
from node.cli.failures import ConfigurationFailure, Failure
from node.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from contracts.crypto import Address
    from node.config import Settings

_PRIVATE = ("*.db", "*.db-wal", "*.db-shm", "run.json", "deployment.json", "node.toml", "keystores/*", "chain/*")


def examine(context: Context) -> list[Finding]:
    """The modes of the home's files, and the ledger against the chain if this home has one."""
    settings = context.settings()
    modes = [_modes(settings.home)] if settings.home.is_dir() else []
    return [*modes, *_ledger(context, settings)]


def _modes(home: Path) -> Finding:
    """Others on the machine must not read keys, vouchers and tokens, nor write anything."""
    loose = [path for path in _private_files(home) if S_IMODE(path.stat().st_mode) & 0o077]
    listed = ", ".join(str(path) for path in loose[:5]) + (" and more" if len(loose) > 5 else "")
    found = f"others can read {listed}" if loose else "only the owner reads the home's files"
    return Finding("file modes", not loose, found, f"chmod -R go-rwx {home}")


def _private_files(home: Path) -> Iterator[Path]:
    for pattern in _PRIVATE:
        yield from (path for path in home.glob(pattern) if path.is_file())


def _ledger(context: Context, settings: "Settings") -> list[Finding]:
    url = settings.database_url
    if settings.free or (url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()):
        return []
    try:
        return _read(context, settings, url)
    except StoreError as error:
        return [Finding("database", False, str(error), "see docs/operating.md: back up and restore")]


def _read(context: Context, settings: "Settings", url: str) -> list[Finding]:
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import Session

    from node.store.connections import connect as open_database
    from node.store.connections import storage_failure

    connections = open_database(url)
    try:
        with Session(connections.reader) as session:
            node = reconciliation.vault_in(session)
            return [] if node is None else asyncio.run(_compared(context, settings, session, node))
    except DBAPIError as error:
        reason = storage_failure(error) or error.orig
        return [
            Finding("database", False, f"it cannot be read: {reason}", "start the node once: it migrates the database")
        ]
    finally:
        connections.dispose()


async def _compared(context: Context, settings: "Settings", session: "Session", node: "Address") -> list[Finding]:
    from node.chain.errors import ChainError
    from node.watch.registries import Registries

    try:
        client, deployment = await connect(context)
        posted = await reconciliation.posted_seq(client, deployment, node)
        stored = reconciliation.stored_ledger(session, node, posted)
        chain = await reconciliation.chain_ledger(Registries(client, deployment), _marked(settings.home, stored))
    except ConfigurationFailure as error:
        return [Finding("chain", True, f"the ledger of {node} was not compared: {error} {error.fix}")]
    except ChainError as error:
        return [Finding("chain", False, str(error), "check --chain-rpc, or start the node of this home", exit_code=4)]
    operator = _operator(context, settings)
    return reconciliation.compared(_marked(settings.home, stored), chain, operator, int(time.time()))


def _marked(home: Path, stored: reconciliation.StoredLedger) -> reconciliation.StoredLedger:
    from dataclasses import replace

    from node.store.seq_mark import SeqMark

    mark = SeqMark.open(home, stored.node)
    if mark is None:
        return stored
    mark.close()
    return replace(stored, mark=mark.value)


def _operator(context: Context, settings: "Settings") -> "Address | None":
    """The address of the key that the node of this home signs with; None if there is no such account."""
    from node.cli.signers import address_of
    from node.home.keystore import KeystoreError

    with suppress(Failure, KeystoreError, OSError):
        return address_of(context, settings.operator_account)
    return None
