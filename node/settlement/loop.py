"""The one task that follows the chain, drives the outbox and settles when it is worth its gas."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from node.chain.errors import ChainError
from node.payments.errors import PaymentError
from node.payments.payments import Payments
from node.readiness import Check
from node.settlement.errors import SettlementError
from node.settlement.settlement import Settlement
from node.settlement.status import SettleStatus
from node.store.errors import StoreError

TICK_S = 1.0
STATUS_S = 5.0
STALE_S = 30.0
_PASSING = (ChainError, SettlementError, StoreError, PaymentError)
"""What may be over by the next tick; anything else ends the loop, and /readyz says so."""

_log = structlog.get_logger("node.loop")


class SettlementLoop:
    """Follows one chain side. `settle_every_s`: how often a cycle is considered."""

    def __init__(self, settlement: Settlement, payments: Payments, settle_every_s: float) -> None:
        self._settlement, self._payments, self._settle_every_s = settlement, payments, settle_every_s
        self._succeeded_at = self._settled_at = time.monotonic()
        self._trouble: str | None = None
        self._status_at = float("-inf")
        self.status: SettleStatus | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs while the block runs. A transaction under way stays in the outbox for the next start."""
        self._task = asyncio.create_task(self._run(), name="loop")
        try:
            yield
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> Check:
        """Whether the chain is followed."""
        if self._task is None or self._task.done():
            return Check(False, "the task that follows the chain has ended; see the log and restart the node")
        age_s = time.monotonic() - self._succeeded_at
        if self._trouble is not None or age_s > STALE_S:
            return Check(False, self._trouble or f"nothing was heard of the chain for {age_s:.0f} s")
        return Check(True, f"block {self._settlement.follower.head.number}, followed")

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
                self._trouble, self._succeeded_at = None, time.monotonic()
            except _PASSING as error:
                if self._trouble != str(error):
                    _log.warning("chain_troubled", reason=str(error), kind=type(error).__name__)
                self._trouble = str(error)
            await asyncio.sleep(TICK_S)

    async def turn(self) -> None:
        """One look at the chain, and a settlement cycle if one is due or a payer is about to leave."""
        leaving = await self._settlement.tick()
        if time.monotonic() - self._status_at >= STATUS_S:
            self.status, self._status_at = await self._settlement.status(), time.monotonic()
        for channel_id in leaving:
            if await self._payments.channels.find(channel_id) is not None:
                await self._payments.channels.refresh(channel_id)
        if leaving or time.monotonic() - self._settled_at >= self._settle_every_s:
            self._settled_at = time.monotonic()
            report = await self._settlement.cycle.run(int(time.time()))
            _log.info("settlement_considered", waits=report.waits, posted=len(report.posted), swept=report.swept)
