"""The background task that follows the chain, advances the outbox, and settles when the value exceeds the gas."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from contracts.crypto import Bytes32
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
LEAVING_S = 30.0
"""How often a cycle is tried for the same payers who withdraw."""
_PASSING = (ChainError, SettlementError, StoreError, PaymentError)
"""Errors that may be gone at the next turn. Any other error ends the task, and /readyz reports it."""

_log = structlog.get_logger("node.loop")


class SettlementLoop:
    """Runs one node's settlement. settle_every_s: how often a cycle is considered.

    status: the state of settlement when it was last read; None before the first time.
    """

    def __init__(self, settlement: Settlement, payments: Payments, settle_every_s: float) -> None:
        self._settlement, self._payments, self._settle_every_s = settlement, payments, settle_every_s
        self._succeeded_at = self._settled_at = time.monotonic()
        self._leaving: frozenset[Bytes32] = frozenset()
        self._left_at = float("-inf")
        self._failure: str | None = None
        self._status_at = float("-inf")
        self.status: SettleStatus | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the task while the block runs. Pending transactions stay in the outbox for the next start."""
        self._task = asyncio.create_task(self._run(), name="loop")
        try:
            yield
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> Check:
        """Whether the chain is being followed."""
        if self._task is None or self._task.done():
            return Check(False, "the task that follows the chain has ended; see the log and restart the node")
        age_s = time.monotonic() - self._succeeded_at
        if self._failure is not None or age_s > STALE_S:
            return Check(False, self._failure or f"the chain was last read {age_s:.0f} s ago")
        return Check(True, f"followed up to block {self._settlement.follower.head.number}")

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
                self._failure, self._succeeded_at = None, time.monotonic()
            except _PASSING as error:
                if self._failure != str(error):
                    _log.warning("chain_troubled", reason=str(error), kind=type(error).__name__)
                self._failure = str(error)
            await asyncio.sleep(TICK_S)

    async def turn(self) -> None:
        """Reads the chain once, and runs a settlement cycle if it is due or a payer withdraws."""
        for channel_id in await self._settlement.tick():
            await self._payments.channels.refresh(channel_id)
        if time.monotonic() - self._status_at >= STATUS_S:
            self.status, self._status_at = await self._settlement.status(), time.monotonic()
        if await self._must_claim() or time.monotonic() - self._settled_at >= self._settle_every_s:
            self._settled_at = time.monotonic()
            report = await self._settlement.cycle.run(int(time.time()))
            _log.info("settlement_considered", waits=report.waits, posted=len(report.posted), swept=report.swept)

    async def _must_claim(self) -> bool:
        """Whether a payer withdraws what is not claimed yet. The same payers count again only after LEAVING_S."""
        leaving = await self._settlement.leaving()
        again = leaving != self._leaving or time.monotonic() - self._left_at >= LEAVING_S
        if leaving and again:
            self._leaving, self._left_at = leaving, time.monotonic()
        return bool(leaving) and again
