"""Consecutive receipts as one batch: its header, inclusion proofs, and the rule (T8) that chains batches."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from attribution import merkle
from attribution.transition import Evidence, InvalidTransition, LedgerState, apply
from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.encoding import tagged_hash, to_hex
from contracts.structs import BatchHeader, UsageReceipt

_RECEIPT_LEAF_TAG = 0x02


@dataclass(frozen=True, slots=True)
class ChainTip:
    """Where the next batch of a ledger starts: the last posted epoch, its header's hash and the state it left."""

    epoch: int
    header_hash: Bytes32
    state: LedgerState

    @classmethod
    def genesis(cls, state: LedgerState) -> "ChainTip":
        """The tip before the first batch; epochs count from 1."""
        return cls(0, ZERO_BYTES32, state)

    @classmethod
    def after(cls, header: BatchHeader, state: LedgerState) -> "ChainTip":
        """The tip after a batch that ends in `state`: later receipts finish at or after the header's `closedAt`."""
        return cls(header.epoch, header.struct_hash(), replace(state, closed_at=header.closed_at))


@dataclass(frozen=True, slots=True)
class Item:
    """A receipt and the evidence that judges it."""

    receipt: UsageReceipt
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Batch:
    """A header, its receipts, the state root after each receipt, and the ledger's state after the last."""

    header: BatchHeader
    receipts: tuple[UsageReceipt, ...]
    roots: tuple[Bytes32, ...]
    state: LedgerState

    @property
    def tip(self) -> ChainTip:
        """Where the next batch starts."""
        return ChainTip.after(self.header, self.state)

    def prove(self, index: int) -> tuple[Bytes32, ...]:
        """The siblings that prove receipt `index` of this batch under `receiptsRoot`, bottom-up."""
        return merkle.path_of(receipt_leaves(self.header.prev_state_root, self.receipts, self.roots), index)


def receipt_leaf(receipt: UsageReceipt, root_before: Bytes32, root_after: Bytes32) -> Bytes32:
    """H(0x02, receiptHash, stateRoot before, stateRoot after)."""
    return tagged_hash(_RECEIPT_LEAF_TAG, receipt.struct_hash(), root_before, root_after)


def receipt_leaves(
    prev_state_root: Bytes32, receipts: Sequence[UsageReceipt], roots: Sequence[Bytes32]
) -> list[Bytes32]:
    """The leaves under `receiptsRoot`. Each leaf's root before is the root after of the previous leaf."""
    befores = [prev_state_root, *roots[:-1]]
    return [receipt_leaf(*leaf) for leaf in zip(receipts, befores, roots, strict=True)]


def build(tip: ChainTip, items: Sequence[Item]) -> Batch:
    """The batch of `items` after `tip`. The same inputs give the same header, bit for bit.

    InvalidTransition for the first receipt that breaks a rule, and for a request that is billed twice. ValueError for
    an empty batch.
    """
    if not items:
        raise ValueError("a batch needs at least one receipt")
    state, roots = tip.state, list[Bytes32]()
    for item in items:
        state = apply(state, item.receipt, item.evidence)
        roots.append(state.root)
    receipts = tuple(item.receipt for item in items)
    _check_billed_once(receipts)
    header = BatchHeader(
        node=state.ledger.node,
        epoch=tip.epoch + 1,
        from_seq=tip.state.seq + 1,
        count=len(receipts),
        prev_header_hash=tip.header_hash,
        prev_state_root=tip.state.root,
        state_root=state.root,
        cum_total=state.cum_total,
        receipts_root=merkle.root_of(receipt_leaves(tip.state.root, receipts, roots)),
        closed_at=state.finished_at,
    )
    return Batch(header, receipts, tuple(roots), state)


def verify(tip: ChainTip, header: BatchHeader, items: Sequence[Item]) -> Batch:
    """The batch behind a posted header, rebuilt from its receipts; InvalidTransition (T8) names a field that differs.

    A header may have a `closedAt` after its last receipt's `finishedAt` (T7), not before it.
    """
    batch = build(tip, items)
    for field in fields(BatchHeader):
        claimed, actual = getattr(header, field.name), getattr(batch.header, field.name)
        if field.name == "closed_at":
            if claimed < actual:
                raise InvalidTransition("T7", f"closed at {claimed}, before its last receipt finished at {actual}")
        elif claimed != actual:
            raise InvalidTransition("T8", f"{field.name} is {_show(claimed)}, the receipts give {_show(actual)}")
    return Batch(header, batch.receipts, batch.roots, batch.state)


def _check_billed_once(receipts: Sequence[UsageReceipt]) -> None:
    seen: dict[Bytes32, int] = {}
    for receipt in receipts:
        first = seen.setdefault(receipt.request_digest, receipt.seq)
        if first != receipt.seq:
            raise InvalidTransition("T9", f"receipts {first} and {receipt.seq} bill one request")


def _show(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
