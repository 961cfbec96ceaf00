"""The operator's settlement commands, on the admin listener."""

import time

from fastapi import APIRouter, Depends, Query

from node.api.auth import operator_only
from node.api.paid_part import paid_part
from node.world import TheWorld

router = APIRouter(prefix="/admin/settle", tags=["Operator"], dependencies=[Depends(operator_only)])


@router.get("")
async def status(world: TheWorld) -> dict[str, object]:
    """What is not posted yet, what is at risk, recent transactions, value beside gas, and deadlines."""
    return await paid_part(world, "settlement").settlement.report()


@router.post("/now")
async def now(world: TheWorld, dry_run: bool = False, wait_s: float = Query(0, ge=0, le=600)) -> dict[str, object]:
    """Run one cycle regardless of gas cost: post, claim, sweep, activate. `wait_s`: wait for the activation window."""
    settlement = paid_part(world, "settlement").settlement
    return (await settlement.cycle.run(int(time.time()), force=True, dry_run=dry_run, wait_s=wait_s)).to_json()


@router.post("/retry")
async def retry(world: TheWorld) -> dict[str, object]:
    """Check every pending transaction, re-send those that the chain has dropped, and close gaps between nonces.

    Transactions that another program sent with the operator's key are taken as the operator's own.
    """
    settlement = paid_part(world, "settlement").settlement
    await settlement.key_use.accept()
    await settlement.outbox.reconcile()
    await settlement.tick()
    return await settlement.report()
