"""Batches, receipts files and proofs: what an auditor needs to check this node without trusting it."""

from fastapi import APIRouter, Query, Request, Response

from node.api.errors import NotFound
from node.api.paced_file import PacedFile
from node.api.paid_part import paid_part
from node.api.parameters import bytes32_parameter
from node.api.rebuilds import TheRebuilds, address_of
from node.settlement.settlement import Settlement
from node.store.batches import StoredBatch
from node.world import TheWorld

router = APIRouter(tags=["Receipts"])
_PAGE = 100


@router.get("/batches")
async def list_batches(
    world: TheWorld, cursor: int | None = Query(None, ge=1), limit: int = Query(20, ge=1, le=_PAGE)
) -> dict[str, object]:
    """Batches, newest first. `cursor` is the epoch of the last batch of the previous page."""
    settlement = paid_part(world, "batches").settlement
    older = [batch for batch in reversed(settlement.book.batches) if cursor is None or batch.header.epoch < cursor]
    following = str(older[limit - 1].header.epoch) if len(older) > limit else None
    return {"data": [_document(settlement, batch) for batch in older[:limit]], "next": following}


@router.get("/batches/{epoch}")
async def get_batch(epoch: int, world: TheWorld) -> dict[str, object]:
    """A batch: its header as posted, and whether it is active."""
    settlement = paid_part(world, "batches").settlement
    return _document(settlement, _batch(settlement, epoch))


@router.get("/batches/{epoch}/receipts")
async def receipts_file(epoch: int, world: TheWorld, rebuilds: TheRebuilds, request: Request) -> Response:
    """The batch's receipts file in its canonical encoding. It is valid if and only if it rebuilds `receiptsRoot`."""
    settlement = paid_part(world, "batches").settlement
    batch = _batch(settlement, epoch)
    content = await rebuilds.file(
        batch.header_hash, address_of(request), lambda: settlement.batcher.receipts_file(epoch)
    )
    return PacedFile(content, f"batch-{epoch}.receipts")


@router.get("/receipts/{receipt_id}/proof")
async def receipt_proof(receipt_id: str, world: TheWorld, rebuilds: TheRebuilds, request: Request) -> dict[str, object]:
    """The Merkle proof that a receipt is part of a posted batch."""
    settlement = paid_part(world, "proofs").settlement
    stored = await world.receipts.by_id(bytes32_parameter(receipt_id, "id"))
    seq = stored.receipt.seq if stored else 0
    epoch = settlement.book.epoch_of(seq) if seq else None
    if epoch is None or epoch > settlement.progress.last_epoch:
        raise NotFound(f"proof for receipt {receipt_id}: it is in no posted batch yet")
    batch = _batch(settlement, epoch)
    proof = await rebuilds.proof(
        batch.header_hash, address_of(request), lambda: settlement.batcher.receipt_proof(epoch, seq)
    )
    return proof.to_json() | _posting(settlement, epoch)


def _batch(settlement: Settlement, epoch: int) -> StoredBatch:
    if not 1 <= epoch <= len(settlement.book.batches):
        raise NotFound(f"batch {epoch}")
    return settlement.book.batches[epoch - 1]


def _document(settlement: Settlement, batch: StoredBatch) -> dict[str, object]:
    header = {"header": batch.header.to_json(), "headerHash": "0x" + batch.header_hash.hex()}
    return {"epoch": batch.header.epoch} | header | _posting(settlement, batch.header.epoch)


def _posting(settlement: Settlement, epoch: int) -> dict[str, object]:
    """A batch's status and its transaction: `cut` (only in the database), `posted` or `active`."""
    progress = settlement.progress
    posted = progress.posted.get(epoch)
    status = "active" if epoch <= progress.active_epoch else "posted" if posted else "cut"
    if posted is None:
        return {"status": status, "transaction": None, "block": None, "activeFrom": None}
    transaction = "0x" + posted.log.transaction_hash.hex()
    place = {"transaction": transaction, "block": posted.log.block_number}
    return {"status": status} | place | {"activeFrom": posted.active_from}
