"""Batches and proofs: what an auditor needs to check this node without trusting it."""

from fastapi import APIRouter, Query, Response

from node.api.errors import NotFound
from node.api.nodes import paid_side
from node.api.payments import channel_id_of
from node.settlement.settlement import Settlement
from node.store.batches import StoredBatch
from node.world import TheWorld

router = APIRouter(tags=["Receipts"])
_PAGE = 100


@router.get("/batches")
async def list_batches(
    world: TheWorld, cursor: int | None = Query(None, ge=1), limit: int = Query(20, ge=1, le=_PAGE)
) -> dict[str, object]:
    """Batches, newest first; `cursor` is the epoch of the last one seen."""
    settlement = paid_side(world, "batches").settlement
    older = [one for one in reversed(settlement.book.batches) if cursor is None or one.header.epoch < cursor]
    following = str(older[limit - 1].header.epoch) if len(older) > limit else None
    return {"data": [_document(settlement, one) for one in older[:limit]], "next": following}


@router.get("/batches/{epoch}")
async def get_batch(epoch: int, world: TheWorld) -> dict[str, object]:
    """One batch: its header as posted, and whether it is active."""
    settlement = paid_side(world, "batches").settlement
    return _document(settlement, _batch(settlement, epoch))


@router.get("/batches/{epoch}/receipts")
async def receipts_file(epoch: int, world: TheWorld) -> Response:
    """The public receipts file in its canonical encoding; it is valid iff it rebuilds `receiptsRoot`."""
    settlement = paid_side(world, "batches").settlement
    _batch(settlement, epoch)
    name = f'attachment; filename="batch-{epoch}.receipts"'
    content = await settlement.batcher.receipts_file(epoch)
    return Response(content, media_type="application/octet-stream", headers={"Content-Disposition": name})


@router.get("/receipts/{receipt_id}/proof")
async def receipt_proof(receipt_id: str, world: TheWorld) -> dict[str, object]:
    """That a receipt is part of a posted batch."""
    settlement = paid_side(world, "proofs").settlement
    stored = await world.receipts.by_id(channel_id_of(receipt_id, "id"))
    seq = stored.receipt.seq if stored else 0
    epoch = settlement.book.epoch_of(seq) if seq else None
    if epoch is None or epoch > settlement.progress.last_epoch:
        raise NotFound(f"proof for receipt {receipt_id}: it is in no posted batch yet")
    proof = await settlement.batcher.receipt_proof(epoch, seq)
    return proof.to_json() | _posting(settlement, epoch)


def _batch(settlement: Settlement, epoch: int) -> StoredBatch:
    if not 1 <= epoch <= len(settlement.book.batches):
        raise NotFound(f"batch {epoch}")
    return settlement.book.batches[epoch - 1]


def _document(settlement: Settlement, one: StoredBatch) -> dict[str, object]:
    header = {"header": one.header.to_json(), "headerHash": "0x" + one.header_hash.hex()}
    return {"epoch": one.header.epoch} | header | _posting(settlement, one.header.epoch)


def _posting(settlement: Settlement, epoch: int) -> dict[str, object]:
    """How far a batch is: cut (in the database only), posted, or active."""
    progress = settlement.progress
    posted = progress.posted.get(epoch)
    status = "active" if epoch <= progress.active_epoch else "posted" if posted else "cut"
    if posted is None:
        return {"status": status, "transaction": None, "block": None, "activeFrom": None}
    transaction = "0x" + posted.log.transaction_hash.hex()
    place = {"transaction": transaction, "block": posted.log.block_number}
    return {"status": status} | place | {"activeFrom": posted.active_from}
