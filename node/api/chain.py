"""The operator's commands about the chain, on the admin listener."""

from fastapi import APIRouter, Depends, Query

from node.api.auth import operator_only
from node.api.paid_part import paid_part
from node.world import TheWorld

router = APIRouter(prefix="/admin/chain", tags=["Operator"], dependencies=[Depends(operator_only)])


@router.post("/rescan")
async def rescan(world: TheWorld, from_block: int = Query(0, ge=0)) -> dict[str, object]:
    """Read the contracts' events again from a block on, after an endpoint has left some out."""
    settlement = paid_part(world, "chain").settlement
    before = len(settlement.follower.events)
    changed = await settlement.follower.rescan(from_block)
    settlement.registrations.refresh()
    return {
        "changed": changed,
        "eventsBefore": before,
        "events": len(settlement.follower.events),
        "head": settlement.follower.head.number,
    }
