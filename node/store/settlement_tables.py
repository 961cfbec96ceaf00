"""The tables of settlement: batches, outgoing transactions, and events of the chain.

The queries are in `batches`, `outbox` and `chain_events`.
"""

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32
from node.store.columns import AccountAddress, Amount, Blob, Count, Text64, Word


class BatchRow(SQLModel, table=True):
    """A batch: which receipts it holds, and its header. Written before it is posted."""

    __tablename__ = "batch"

    node: Address = Field(primary_key=True, sa_type=AccountAddress)
    epoch: int = Field(primary_key=True, sa_type=Count)
    from_seq: int = Field(sa_type=Count)
    count: int = Field(sa_type=Count)
    header_hash: Bytes32 = Field(sa_type=Word)
    header: str = Field(sa_type=Text)


class NonceLaneRow(SQLModel, table=True):
    """The next nonce of one key. Every transaction of this node takes its nonce from here."""

    __tablename__ = "nonce_lane"

    sender: Address = Field(primary_key=True, sa_type=AccountAddress)
    next_nonce: int = Field(sa_type=Count)


class TransactionRow(SQLModel, table=True):
    """One outgoing transaction and its state (`outbox.State`).

    intent: a unique name of its purpose, so that it is sent once. nonce: set once it is signed. block_*: set once it is
    mined.
    """

    __tablename__ = "outbox_transaction"

    transaction_id: int | None = Field(default=None, primary_key=True, sa_type=Count)
    intent: str = Field(sa_type=Text, unique=True)
    sender: Address = Field(sa_type=AccountAddress, index=True)
    to: Address = Field(sa_type=AccountAddress)
    call_data: bytes = Field(sa_type=Blob)
    state: str = Field(sa_type=Text64, index=True)
    nonce: int | None = Field(default=None, sa_type=Count)
    gas: int | None = Field(default=None, sa_type=Count)
    failure: str | None = Field(default=None, sa_type=Text)
    mined_hash: Bytes32 | None = Field(default=None, sa_type=Word)
    block_number: int | None = Field(default=None, sa_type=Count)
    block_hash: Bytes32 | None = Field(default=None, sa_type=Word)
    gas_used: int | None = Field(default=None, sa_type=Count)
    gas_price: int | None = Field(default=None, sa_type=Amount)
    created_at: int = Field(sa_type=Count)
    changed_at: int = Field(sa_type=Count)


class AttemptRow(SQLModel, table=True):
    """Signed bytes of a transaction, stored before they are broadcast. A stuck one gets another attempt."""

    __tablename__ = "outbox_attempt"

    transaction_hash: Bytes32 = Field(primary_key=True, sa_type=Word)
    transaction_id: int = Field(sa_type=Count, foreign_key="outbox_transaction.transaction_id", index=True)
    raw: bytes = Field(sa_type=Blob)
    max_fee: int = Field(sa_type=Amount)
    tip: int = Field(sa_type=Amount)
    signed_at: int = Field(sa_type=Count)


class ChainEventRow(SQLModel, table=True):
    """One event. Its block hash is part of the key: after a reorganisation there are other rows, not changed rows."""

    __tablename__ = "chain_event"

    block_hash: Bytes32 = Field(primary_key=True, sa_type=Word)
    log_index: int = Field(primary_key=True, sa_type=Count)
    block_number: int = Field(sa_type=Count, index=True)
    transaction_hash: Bytes32 = Field(sa_type=Word)
    address: Address = Field(sa_type=AccountAddress)
    topics: bytes = Field(sa_type=Blob)
    event_data: bytes = Field(sa_type=Blob)


class CheckpointRow(SQLModel, table=True):
    """A block up to which all events are stored. The highest is the cursor; older ones show where a fork began."""

    __tablename__ = "chain_checkpoint"

    block_number: int = Field(primary_key=True, sa_type=Count)
    block_hash: Bytes32 = Field(sa_type=Word)
