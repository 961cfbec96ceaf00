"""The receipts that this node signed. They are never changed; those with a fee are numbered without gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, UniqueConstraint, bindparam, delete, insert, select
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel

from contracts.crypto import Address, Bytes32
from contracts.structs import InferenceRequest, UsageReceipt
from node.store.columns import AccountAddress, Amount, Blob, Count, Text64, Word


class ReceiptRow(SQLModel, table=True):
    """A receipt, its signature, and the signed request it answers.

    Unique columns hold null instead of 0: `seq` of receipts without a fee, `request_digest` without a chain.
    """

    __tablename__ = "receipt"
    __table_args__ = (UniqueConstraint("node", "seq", name="uq_receipt_node_seq"),)

    receipt_id: Bytes32 = Field(primary_key=True, sa_type=Word)
    request_id: str = Field(sa_type=Text64, unique=True)
    payer: Address | None = Field(sa_type=AccountAddress, index=True)
    signature: bytes = Field(sa_type=Blob)

    node: Address = Field(sa_type=AccountAddress)
    seq: int | None = Field(sa_type=Count)
    channel_id: Bytes32 = Field(sa_type=Word, index=True)
    request_digest: Bytes32 | None = Field(sa_type=Word, unique=True)
    adapter_key: Bytes32 = Field(sa_type=Word, index=True)
    price_hash: Bytes32 = Field(sa_type=Word)
    terms_hash: Bytes32 = Field(sa_type=Word)
    shares_hash: Bytes32 = Field(sa_type=Word)
    attribution_version: int = Field(sa_type=Count)
    prompt_commit: Bytes32 = Field(sa_type=Word)
    output_commit: Bytes32 = Field(sa_type=Word)
    tokens_in: int = Field(sa_type=Count)
    tokens_cached: int = Field(sa_type=Count)
    tokens_out: int = Field(sa_type=Count)
    fee: int = Field(sa_type=Amount)
    cum_before: int = Field(sa_type=Amount)
    voucher_max: int = Field(sa_type=Amount)
    started_at: int = Field(sa_type=Count)
    finished_at: int = Field(sa_type=Count, index=True)
    status: int = Field(sa_type=Count)

    request_hash: Bytes32 | None = Field(sa_type=Word)
    max_fee: int | None = Field(sa_type=Amount)
    nonce: Bytes32 | None = Field(sa_type=Word)
    deadline: int | None = Field(sa_type=Count)
    request_signature: bytes | None = Field(sa_type=Blob)


_T = ReceiptRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_C = _T.c
_RECEIPT = tuple(field.name for field in fields(UsageReceipt))


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt with the node's signature. payer is None without a chain.

    request and request_signature: None without a chain, and for a client that signs vouchers only.
    """

    request_id: str
    receipt: UsageReceipt
    signature: bytes
    payer: Address | None
    request: InferenceRequest | None
    request_signature: bytes | None

    @property
    def receipt_id(self) -> Bytes32:
        """The receipt's EIP-712 struct hash."""
        return self.receipt.struct_hash()


def add(session: Session, stored: StoredReceipt) -> None:
    """Writes a new receipt."""
    session.execute(insert(_T), _values(stored))


_FREE = _C.seq.is_(None) & _C.payer.is_(None)
"""Receipts of a node without payment. A paid node's receipts name their payer, those without a fee too."""


def prune_free(session: Session, keep: int) -> None:
    """Deletes all but the newest `keep` receipts of requests that nobody paid for; never one of a payer."""
    newest_first = (_C.finished_at.desc(), _C.receipt_id.desc())
    surplus = select(_C.receipt_id).where(_FREE).order_by(*newest_first).offset(keep).limit(_PRUNED_AT_ONCE)
    session.execute(delete(_T).where(_C.receipt_id.in_(surplus)))


_PRUNED_AT_ONCE = 10_000
"""Bounds one deletion, because other writes wait for it; a smaller limit than before takes several."""


def find(session: Session, receipt_id: Bytes32) -> StoredReceipt | None:
    """The receipt with this id; None if there is none."""
    row = session.execute(select(_T).where(_C.receipt_id == receipt_id)).mappings().one_or_none()
    return None if row is None else _stored(row)


_NAMED = select(_C.receipt_id).where(_C.request_digest == bindparam("which"))


def names_digest(session: Session, request_digest: Bytes32) -> bool:
    """Whether a receipt names this digest of a request or voucher, which is thereby spent."""
    return session.scalar(_NAMED, {"which": request_digest}) is not None


_OF_REQUEST = select(_T).where(_C.request_id == bindparam("which"))


def of_request(session: Session, request_id: str) -> StoredReceipt | None:
    """The receipt of a request; None if it has none yet."""
    row = session.execute(_OF_REQUEST, {"which": request_id}).mappings().one_or_none()
    return None if row is None else _stored(row)


def numbered(session: Session, node: Address, from_seq: int, limit: int) -> tuple[StoredReceipt, ...]:
    """At most `limit` receipts with a fee of one vault, from number `from_seq` on, in order."""
    mine = (_C.node == node) & (_C.seq >= from_seq)
    return _many(session, select(_T).where(mine).order_by(_C.seq).limit(limit))


def of_channel(session: Session, channel_id: Bytes32, from_seq: int, limit: int) -> tuple[StoredReceipt, ...]:
    """At most `limit` of a channel's receipts with a fee, in order. Together they cover [0, charged) without gaps."""
    query = select(_T).where(_C.channel_id == channel_id, _C.seq >= from_seq).order_by(_C.seq).limit(limit)
    return _many(session, query)


def latest(
    session: Session, *, payer: Address | None, before: tuple[int, Bytes32] | None, limit: int
) -> tuple[StoredReceipt, ...]:
    """At most `limit` receipts of one payer or of all, newest first.

    before: (finished_at, receipt id) of the last receipt of the page before.
    """
    query = select(_T).order_by(_C.finished_at.desc(), _C.receipt_id.desc()).limit(limit)
    if payer is not None:
        query = query.where(_C.payer == payer)
    if before is not None:
        at, receipt_id = before
        query = query.where((_C.finished_at < at) | ((_C.finished_at == at) & (_C.receipt_id < receipt_id)))
    return _many(session, query)


def _many(session: Session, query: Select[Any]) -> tuple[StoredReceipt, ...]:
    return tuple(_stored(row) for row in session.execute(query).mappings())


def _stored(row: Mapping[Any, Any]) -> StoredReceipt:
    values = {name: row[name] for name in _RECEIPT}
    values["seq"] = values["seq"] or 0
    values["request_digest"] = values["request_digest"] or Bytes32(bytes(32))
    receipt = UsageReceipt(**values)
    request = None
    if row["request_signature"] is not None:
        request = InferenceRequest(
            node=receipt.node,
            channel_id=receipt.channel_id,
            adapter_key=receipt.adapter_key,
            request_hash=row["request_hash"],
            max_fee=row["max_fee"],
            price_hash=receipt.price_hash,
            nonce=int.from_bytes(row["nonce"]),
            deadline=row["deadline"],
        )
    return StoredReceipt(row["request_id"], receipt, row["signature"], row["payer"], request, row["request_signature"])


def _values(stored: StoredReceipt) -> dict[str, object]:
    receipt, request = stored.receipt, stored.request
    values: dict[str, object] = {name: getattr(receipt, name) for name in _RECEIPT}
    values["seq"] = receipt.seq or None
    values["request_digest"] = receipt.request_digest if any(receipt.request_digest) else None
    return values | {
        "receipt_id": stored.receipt_id,
        "request_id": stored.request_id,
        "payer": stored.payer,
        "signature": stored.signature,
        "request_hash": request and request.request_hash,
        "max_fee": request and request.max_fee,
        "nonce": request and Bytes32(request.nonce.to_bytes(32)),
        "deadline": request and request.deadline,
        "request_signature": stored.request_signature,
    }
