"""Number receipts per vault."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NEW = "uq_receipt_node_seq"


def upgrade() -> None:
    """`seq` is unique within the ledger of a vault, no longer in the whole database."""
    _replace(_old_name(), NEW, ["node", "seq"])


def downgrade() -> None:
    """`seq` is unique in the whole database."""
    _replace(NEW, _old_name(), ["seq"])


def _replace(old: str, new: str, columns: list[str]) -> None:
    with op.batch_alter_table("receipt", naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"}) as batch:
        batch.drop_constraint(old, type_="unique")
        batch.create_unique_constraint(new, columns)


def _old_name() -> str:
    """PostgreSQL named the constraint itself; SQLite left it without a name, for which the convention stands."""
    return "receipt_seq_key" if op.get_bind().dialect.name == "postgresql" else "uq_receipt_seq"
