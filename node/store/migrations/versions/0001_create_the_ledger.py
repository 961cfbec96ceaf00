"""Create the ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "batch",
    "chain_checkpoint",
    "chain_event",
    "channel",
    "ledger",
    "meta",
    "nonce",
    "nonce_lane",
    "outbox_transaction",
    "preimage",
    "receipt",
    "outbox_attempt",
    "reservation",
    "voucher",
)


def amount() -> sa.Numeric[Any]:
    """The type of a uint128: 39 decimal digits."""
    return sa.Numeric(39, 0).with_variant(sa.String(39), "sqlite")


def count() -> sa.BigInteger:
    """The type of an integer up to 2^63 − 1."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates all tables; referenced tables before those that refer to them."""
    _create_batch()
    _create_chain_checkpoint()
    _create_chain_event()
    _create_channel()
    _create_ledger()
    _create_meta()
    _create_nonce()
    _create_nonce_lane()
    _create_outbox_transaction()
    _create_preimage()
    _create_receipt()
    _create_outbox_attempt()
    _create_reservation()
    _create_voucher()


def downgrade() -> None:
    """Drops all tables."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_batch() -> None:
    op.create_table(
        "batch",
        sa.Column("node", sa.String(42), nullable=False),
        sa.Column("epoch", count(), nullable=False),
        sa.Column("from_seq", count(), nullable=False),
        sa.Column("count", count(), nullable=False),
        sa.Column("header_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch"),
    )


def _create_chain_checkpoint() -> None:
    op.create_table(
        "chain_checkpoint",
        sa.Column("block_number", count(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("block_number"),
    )


def _create_chain_event() -> None:
    op.create_table(
        "chain_event",
        sa.Column("block_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("log_index", count(), nullable=False),
        sa.Column("block_number", count(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("address", sa.String(42), nullable=False),
        sa.Column("topics", sa.LargeBinary(), nullable=False),
        sa.Column("event_data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("block_hash", "log_index"),
    )
    op.create_index("ix_chain_event_block_number", "chain_event", ["block_number"])


def _create_channel() -> None:
    op.create_table(
        "channel",
        sa.Column("channel_id", sa.LargeBinary(32), nullable=False),
        sa.Column("payer", sa.String(42), nullable=False),
        sa.Column("payer_authorizer", sa.String(42), nullable=False),
        sa.Column("receiver", sa.String(42), nullable=False),
        sa.Column("receiver_authorizer", sa.String(42), nullable=False),
        sa.Column("token", sa.String(42), nullable=False),
        sa.Column("withdraw_delay", count(), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("balance", amount(), nullable=False),
        sa.Column("pending_withdraw", amount(), nullable=False),
        sa.Column("total_claimed", amount(), nullable=False),
        sa.Column("escrow_block", count(), nullable=False),
        sa.Column("signed_max", amount(), nullable=False),
        sa.Column("signed_max_signature", sa.LargeBinary(), nullable=False),
        sa.Column("charged", amount(), nullable=False),
        sa.Column("reserved", amount(), nullable=False),
        sa.Column("opened_at", count(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_index("ix_channel_payer", "channel", ["payer"])


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("node", sa.String(42), nullable=False),
        sa.Column("last_seq", count(), nullable=False),
        sa.Column("last_finished_at", count(), nullable=False),
        sa.Column("charged", amount(), nullable=False),
        sa.PrimaryKeyConstraint("node"),
    )


def _create_meta() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _create_nonce() -> None:
    op.create_table(
        "nonce",
        sa.Column("channel_id", sa.LargeBinary(32), nullable=False),
        sa.Column("nonce", sa.LargeBinary(32), nullable=False),
        sa.Column("deadline", count(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "nonce"),
    )
    op.create_index("ix_nonce_deadline", "nonce", ["deadline"])


def _create_nonce_lane() -> None:
    op.create_table(
        "nonce_lane",
        sa.Column("sender", sa.String(42), nullable=False),
        sa.Column("next_nonce", count(), nullable=False),
        sa.PrimaryKeyConstraint("sender"),
    )


def _create_outbox_transaction() -> None:
    op.create_table(
        "outbox_transaction",
        sa.Column("transaction_id", count(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(42), nullable=False),
        sa.Column("to", sa.String(42), nullable=False),
        sa.Column("call_data", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("nonce", count(), nullable=True),
        sa.Column("gas", count(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("mined_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("block_number", count(), nullable=True),
        sa.Column("block_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("gas_used", count(), nullable=True),
        sa.Column("gas_price", amount(), nullable=True),
        sa.Column("created_at", count(), nullable=False),
        sa.Column("changed_at", count(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id"),
        sa.UniqueConstraint("intent"),
    )
    op.create_index("ix_outbox_transaction_sender", "outbox_transaction", ["sender"])
    op.create_index("ix_outbox_transaction_state", "outbox_transaction", ["state"])


def _create_preimage() -> None:
    op.create_table(
        "preimage",
        sa.Column("struct_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("struct_hash"),
    )


def _create_receipt() -> None:
    op.create_table(
        "receipt",
        sa.Column("receipt_id", sa.LargeBinary(32), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("payer", sa.String(42), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("node", sa.String(42), nullable=False),
        sa.Column("seq", count(), nullable=True),
        sa.Column("channel_id", sa.LargeBinary(32), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("adapter_key", sa.LargeBinary(32), nullable=False),
        sa.Column("price_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("terms_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("shares_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("attribution_version", count(), nullable=False),
        sa.Column("prompt_commit", sa.LargeBinary(32), nullable=False),
        sa.Column("output_commit", sa.LargeBinary(32), nullable=False),
        sa.Column("tokens_in", count(), nullable=False),
        sa.Column("tokens_cached", count(), nullable=False),
        sa.Column("tokens_out", count(), nullable=False),
        sa.Column("fee", amount(), nullable=False),
        sa.Column("cum_before", amount(), nullable=False),
        sa.Column("voucher_max", amount(), nullable=False),
        sa.Column("started_at", count(), nullable=False),
        sa.Column("finished_at", count(), nullable=False),
        sa.Column("status", count(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("max_fee", amount(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(32), nullable=True),
        sa.Column("deadline", count(), nullable=True),
        sa.Column("request_signature", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("receipt_id"),
        sa.UniqueConstraint("request_digest"),
        sa.UniqueConstraint("request_id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index("ix_receipt_adapter_key", "receipt", ["adapter_key"])
    op.create_index("ix_receipt_channel_id", "receipt", ["channel_id"])
    op.create_index("ix_receipt_finished_at", "receipt", ["finished_at"])
    op.create_index("ix_receipt_payer", "receipt", ["payer"])


def _create_outbox_attempt() -> None:
    op.create_table(
        "outbox_attempt",
        sa.Column("transaction_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("transaction_id", count(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee", amount(), nullable=False),
        sa.Column("tip", amount(), nullable=False),
        sa.Column("signed_at", count(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["outbox_transaction.transaction_id"],
        ),
        sa.PrimaryKeyConstraint("transaction_hash"),
    )
    op.create_index("ix_outbox_attempt_transaction_id", "outbox_attempt", ["transaction_id"])


def _create_reservation() -> None:
    op.create_table(
        "reservation",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("channel_id", sa.LargeBinary(32), nullable=False),
        sa.Column("amount", amount(), nullable=False),
        sa.Column("admitted_at", count(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channel.channel_id"],
        ),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_reservation_channel_id", "reservation", ["channel_id"])


def _create_voucher() -> None:
    op.create_table(
        "voucher",
        sa.Column("channel_id", sa.LargeBinary(32), nullable=False),
        sa.Column("max_claimable_amount", amount(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channel.channel_id"],
        ),
        sa.PrimaryKeyConstraint("channel_id", "max_claimable_amount"),
    )
