"""Alembic's entry point: runs migrations, or compares them with the tables, on a given connection."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from node.store import columns, schema

PLAIN = {
    columns.Amount: "sa.Numeric(39, 0).with_variant(sa.String(39), 'sqlite')",
    columns.Word: "sa.LargeBinary(32)",
    columns.Blob: "sa.LargeBinary()",
    columns.AccountAddress: "sa.String(42)",
    columns.Text64: "sa.String(64)",
    columns.Count: "sa.BigInteger().with_variant(sa.Integer(), 'sqlite')",
}
"""How a revision spells column types, so that later changes of our types do not change old revisions."""


def render(kind: str, value: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Spells our column types with the plain types of SQLAlchemy; False leaves a type to Alembic."""
    return PLAIN.get(type(value), False) if kind == "type" else False


def run(connection: Connection) -> None:
    """Runs the requested migrations on `connection`."""
    context.configure(
        connection=connection,
        target_metadata=schema.metadata(),
        render_item=render,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
