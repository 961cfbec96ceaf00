"""The background tasks of settlement: one follows the chain, one settles when the value exceeds the gas, and one
answers demands.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from contracts.crypto import Bytes32
from node.chain.errors import ChainError
from node.payments.errors import PaymentError
from node.payments.payments import Payments
from node.readiness import Check
from node.settlement.cycle import CycleReport
from node.settlement.errors import SettlementError, TransactionPending
from node.settlement.examination import FATAL, Examination
from node.settlement.settlement import Settlement
from node.settlement.status import SettleStatus
from node.store.errors import StoreError

TICK_S = 1.0
STATUS_S = 5.0
STALE_S = 30.0
MAX_BLIND_S = 60.0
"""How long the node sells on while it cannot follow the chain. Payers can withdraw after 900 s at the earliest."""
MAX_UNSETTLED_S = 120.0
"""How long the node sells on while every settlement cycle fails."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A task that failed is repeated after 1, 2, 4 … seconds, at most 60."""
_EXPECTED = (ChainError, SettlementError, StoreError, PaymentError)
"""Errors that need no traceback."""
LEAVING_S = 30.0
"""How often a cycle is tried for the same payers who withdraw."""

_log = structlog.get_logger("node.loop")


class SettlementLoop:
    """Runs one node's settlement. settle_every_s: how often a cycle is considered.

    status: the state of settlement when it was last read; None before the first time.
    """

    def __init__(
        self,
        settlement: Settlement,
        payments: Payments,
        settle_every_s: float,
        examination: Examination | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settlement, self._payments, self._settle_every_s = settlement, payments, settle_every_s
        self._examination = examination or Examination(settlement, payments.sales)
        self._clock = clock
        self._followed_at = self._settled_at = self._failing_since = clock()
        self._failures: dict[str, str] = {}
        self._leaving: frozenset[Bytes32] = frozenset()
        self._left_at = float("-inf")
        self._status_at = float("-inf")
        self._wake = asyncio.Event()
        self.status: SettleStatus | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        payments.sales.watch(self._blindness)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the tasks while the block runs. Pending transactions stay in the outbox for the next start."""
        self._tasks = (
            asyncio.create_task(self._repeat("follow", self._follow), name="follow"),
            asyncio.create_task(self._repeat("settle", self._settle), name="settle"),
            asyncio.create_task(self._repeat("answer", self._answer), name="answer"),
        )
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def check(self) -> Check:
        """Whether the chain is being followed."""
        if not self._tasks or any(task.done() for task in self._tasks):
            return Check(False, "the tasks that follow the chain do not run; see the log and restart the node")
        age_s = self._clock() - self._followed_at
        failure = self._failures.get("follow")
        if failure is not None or age_s > STALE_S:
            return Check(False, failure or f"the chain was last read {age_s:.0f} s ago")
        return Check(True, f"followed up to block {self._settlement.follower.head.number}")

    async def turn(self) -> None:
        """Reads the chain once, examines what that means for selling, and asks for a cycle if a payer withdraws."""
        for channel_id in await self._settlement.tick():
            await self._payments.channels.refresh(channel_id)
        self._examination.clock()
        if await self._must_claim():
            self._wake.set()
        if self._clock() - self._status_at >= STATUS_S:
            await self._examination.all()
            self.status, self._status_at = await self._settlement.status(), self._clock()

    async def _must_claim(self) -> bool:
        """Whether a payer withdraws what is not claimed yet. The same payers count again only after LEAVING_S."""
        leaving = await self._settlement.leaving()
        again = leaving != self._leaving or self._clock() - self._left_at >= LEAVING_S
        if leaving and again:
            self._leaving, self._left_at = leaving, self._clock()
        return bool(leaving) and again

    async def answer(self) -> None:
        """Answers every open demand on this node's headers, and ends selling while the stake is at risk.

        To be called once before the node sells: demands wait while it is down.
        """
        answers = self._settlement.answers
        try:
            await answers.run()
        finally:
            self._examination.failed("demands", answers.problem(await answers.states()))

    async def demands(self) -> Check:
        """The open demands on this node's headers, for /readyz."""
        states = await self._settlement.answers.states()
        reason = self._settlement.answers.problem(states)
        if not states:
            return Check(True, "no demand on a header is open")
        return Check(reason is None, reason or f"{len(states)} open; {states[0]}")

    async def settle(self) -> CycleReport:
        """Runs one cycle. A shortfall that is left ends selling until it is covered."""
        report = await self._settlement.cycle.run(int(time.time()))
        self._examination.shortfall(report.shortfall)
        _log.info("settlement_considered", waits=report.waits, posted=len(report.posted), swept=report.swept)
        return report

    async def _follow(self) -> None:
        await self.turn()
        self._followed_at = self._clock()
        await asyncio.sleep(TICK_S)

    async def _answer(self) -> None:
        await self.answer()
        await asyncio.sleep(TICK_S)

    async def _settle(self) -> None:
        wait_s = max(TICK_S, self._settled_at + self._settle_every_s - self._clock())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), wait_s)
        self._wake.set()  # a cycle that fails is due again
        await self.settle()
        self._wake.clear()
        self._settled_at = self._clock()

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` for ever. An error of any kind is logged once, and the work starts again after a pause."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await work()
            except Exception as error:  # whatever it was: a task that ended would settle nothing and tell nobody
                self._failed(name, error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._recovered(name)
                pause_s = FIRST_PAUSE_S

    def _failed(self, name: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, _EXPECTED) else f"{type(error).__name__}: {error}"
        if isinstance(error, FATAL):
            self._examination.stop(error)
        elif self._failures.get(name) != reason:
            unexpected = None if isinstance(error, _EXPECTED) else error
            _log.warning("chain_troubled", task=name, reason=reason, kind=type(error).__name__, exc_info=unexpected)
        if name == "settle":
            self._unsettled(error, reason)
        self._failures[name] = reason

    def _unsettled(self, error: Exception, reason: str) -> None:
        """Holds selling when cycles have failed for too long. A transaction that is under way may take its time."""
        if "settle" not in self._failures:
            self._failing_since = self._clock()
        pending = isinstance(error, TransactionPending)
        bound_s = self._payments.receiver.min_withdraw_delay_s / 2 if pending else MAX_UNSETTLED_S
        if self._clock() - self._failing_since >= bound_s:
            self._examination.failed("settlement", f"receipts cannot be settled: {reason}")

    def _recovered(self, name: str) -> None:
        if self._failures.pop(name, None) is not None:
            _log.info("chain_recovered", task=name)
            if name == "settle":
                self._examination.failed("settlement", None)

    def _blindness(self) -> str | None:
        """Why nothing may be sold although no error was caught: the chain was not read for too long."""
        age_s = self._clock() - self._followed_at
        if age_s <= MAX_BLIND_S:
            return None
        return f"the chain was last read {age_s:.0f} s ago. {self._failures.get('follow', '')}".strip()
