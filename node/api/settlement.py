"""The operator's settlement verbs, on the admin listener."""

import time

from fastapi import APIRouter, Depends, Query

from node.api.auth import operator_only
from node.api.nodes import paid_side
from node.world import TheWorld

router = APIRouter(prefix="/admin/settle", tags=["Operator"], dependencies=[Depends(operator_only)])


@router.get("")
async def status(world: TheWorld) -> dict[str, object]:
    """What is not posted, what is at risk, what is on its way."""
    return (await paid_side(world, "settlement").settlement.status()).to_json()


@router.post("/now")
async def now(world: TheWorld, dry_run: bool = False, wait_s: float = Query(0, ge=0, le=600)) -> dict[str, object]:
    """One cycle whatever it costs: post, claim, sweep, activate. `wait_s` waits for the activation window."""
    settlement = paid_side(world, "settlement").settlement
    return (await settlement.cycle.run(int(time.time()), force=True, dry_run=dry_run, wait_s=wait_s)).to_json()


@router.post("/retry")
async def retry(world: TheWorld) -> dict[str, object]:
    """Look again after every transaction under way, and send what the chain has forgotten."""
    settlement = paid_side(world, "settlement").settlement
    await settlement.outbox.reconcile()
    await settlement.tick()
    return (await settlement.status()).to_json()
