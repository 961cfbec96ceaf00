"""Announce charges to clients that pay with vouchers alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def amount() -> sa.Numeric[Any]:
    """The type of a uint128: 39 decimal digits."""
    return sa.Numeric(39, 0).with_variant(sa.String(39), "sqlite")


def upgrade() -> None:
    """What was charged was announced, so nobody has credit yet. Reservations are of signed requests."""
    with op.batch_alter_table("channel") as channel:
        channel.add_column(sa.Column("announced", amount(), nullable=True))
    op.execute("UPDATE channel SET announced = charged")
    with op.batch_alter_table("channel") as channel:
        channel.alter_column("announced", existing_type=amount(), nullable=False)
    with op.batch_alter_table("reservation") as reservation:
        reservation.add_column(sa.Column("voucher_max", amount(), nullable=True))
        reservation.add_column(sa.Column("announced", amount(), nullable=True))
    nothing = "'" + "0" * 39 + "'" if op.get_bind().dialect.name == "sqlite" else "0"
    op.execute(f"UPDATE reservation SET announced = {nothing}")
    with op.batch_alter_table("reservation") as reservation:
        reservation.alter_column("announced", existing_type=amount(), nullable=False)


def downgrade() -> None:
    """Credit is lost: clients that have some are corrected at their next request."""
    with op.batch_alter_table("reservation") as reservation:
        reservation.drop_column("announced")
        reservation.drop_column("voucher_max")
    with op.batch_alter_table("channel") as channel:
        channel.drop_column("announced")
