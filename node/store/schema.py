"""The schema as a whole: every table, and the migrations that build it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlmodel import SQLModel

from node.store import channels, ledger, meta, nonces, preimages, receipts, reservations, settlement_tables, vouchers
from node.store.errors import SchemaUnknown

NOUNS = (channels, ledger, meta, nonces, preimages, receipts, reservations, settlement_tables, vouchers)
"""The modules that define tables. Importing them registers the tables."""


def metadata() -> MetaData:
    """All tables of the node."""
    return SQLModel.metadata


def config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection, which env.py uses."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return made


def revision_of(connection: Connection) -> str | None:
    """The database's schema revision; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision(connection: Connection) -> str:
    """The revision that this version of the node needs."""
    newest = ScriptDirectory.from_config(config(connection)).get_current_head()
    assert newest is not None, "there is at least one migration"
    return newest


def upgrade(connection: Connection) -> None:
    """Runs the missing migrations. Raises SchemaUnknown if a newer version of the node wrote the database."""
    current = revision_of(connection)
    if current == newest_revision(connection):
        return
    known = {script.revision for script in ScriptDirectory.from_config(config(connection)).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaUnknown(current)
    command.upgrade(config(connection), "head")
