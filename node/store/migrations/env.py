"""Alembic's entry: runs migrations, or compares them with the tables, on the connection it is handed."""

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
"""Column types as a revision spells them, so that no later change of ours rewrites history."""


def render(kind: str, value: Any, autogen: AutogenContext) -> str | Literal[False]:
    return PLAIN.get(type(value), False) if kind == "type" else False


def run(connection: Connection) -> None:
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
