"""Receipts by id. They are public; only the payer received the salts that open their commitments."""

from fastapi import APIRouter, Query

from attribution.split import Payee
from contracts.crypto import Bytes32
from contracts.encoding import rfc3339
from node.api.errors import InvalidBody, NotFound
from node.api.parameters import address_parameter, bytes32_parameter
from node.metering.issued import receipt_json
from node.store.receipts import StoredReceipt
from node.world import TheWorld, World

router = APIRouter(prefix="/receipts", tags=["Receipts"])
_PAGE = 100


@router.get("")
async def list_receipts(
    world: TheWorld,
    payer: str | None = None,
    cursor: str | None = None,
    limit: int = Query(20, ge=1, le=_PAGE),
) -> dict[str, object]:
    """Receipts, newest first, of one payer or of all payers. `kept`: how many receipts a free node keeps."""
    by = address_parameter(payer, "payer") if payer is not None else None
    stored = await world.receipts.latest(payer=by, before=_position(cursor), limit=limit)
    last = stored[-1] if len(stored) == limit else None
    following = f"{last.receipt.finished_at}-0x{last.receipt_id.hex()}" if last else None
    page: dict[str, object] = {"data": [await _document(world, each) for each in stored], "next": following}
    return page if world.paid is not None else page | {"kept": world.settings.free_receipts}


@router.get("/{receipt_id}")
async def get_receipt(receipt_id: str, world: TheWorld) -> dict[str, object]:
    """A receipt with its signature and its split."""
    stored = await world.receipts.by_id(bytes32_parameter(receipt_id, "id"))
    if stored is None:
        raise NotFound(f"receipt {receipt_id}")
    return await _document(world, stored)


async def _document(world: World, stored: StoredReceipt) -> dict[str, object]:
    evidence = await world.receipts.evidence(stored.receipt_id) if stored.receipt.seq else None
    lines: dict[Payee, int] = evidence.lines() if evidence else {}
    document = world.labels.with_lines(receipt_json(stored.receipt, stored.signature, lines))
    finished = {"finishedAt": rfc3339(stored.receipt.finished_at), "payer": stored.payer}
    return document | finished


def _position(cursor: str | None) -> tuple[int, Bytes32] | None:
    if cursor is None:
        return None
    at, _, receipt_id = cursor.partition("-")
    if not at.isdigit():
        raise InvalidBody("cursor", "not a cursor of this list; use `next` of the previous page")
    return int(at), bytes32_parameter(receipt_id, "cursor")
