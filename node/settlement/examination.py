"""Asks regularly whether the node could settle what it sells, and stops or resumes selling accordingly."""

import time
from collections.abc import Callable, Mapping

import structlog

from node.payments.clock import ClockTolerance
from node.payments.sales import Sales
from node.readiness import Probe
from node.settlement.errors import LedgerBroken, LedgerConflict, VaultShared
from node.settlement.settlement import Settlement
from node.settlement.standing import obstacles

FATAL = (LedgerBroken, LedgerConflict, VaultShared)
"""The database is not the ledger that the chain has. Selling on would sign receipts that can never be posted."""
_CAUSES = ("operator", "closed", "stake", "prices", "key", "gas", "registrations")

_log = structlog.get_logger("node.payments.sales")


class Examination:
    """The facts that decide about selling. gas: asks whether the operator can pay for transactions."""

    def __init__(
        self,
        settlement: Settlement,
        sales: Sales,
        *,
        clock: ClockTolerance | None = None,
        gas: Probe | None = None,
        wall: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._settlement, self._sales, self._gas, self._wall = settlement, sales, gas, wall
        self._clock = clock or ClockTolerance.of_chain(settlement.chain_id)

    def clock(self) -> None:
        """Compares the wall clock with the newest block."""
        problem = self._clock.problem(self._wall(), self._settlement.follower.head.timestamp)
        self._set({"clock": problem} if problem is not None else {}, ("clock",))

    async def all(self) -> None:
        """Asks everything. Raises LedgerConflict, VaultShared, ChainError or StoreError."""
        settlement = self._settlement
        await settlement.check_conflict()
        now = max(self._wall(), settlement.follower.head.timestamp)
        standing = await settlement.standing()
        signer, total = settlement.outbox.sender, settlement.book.latest.cum_total
        found = dict(obstacles(standing, signer, total, has_prices=settlement.registrations.has_prices(now)))
        if standing.owner != signer and (problem := await settlement.key_use.problem()) is not None:
            found["key"] = problem  # an owner who is the operator sends transactions of other kinds
        if (changed := settlement.book.unsupported(settlement.registrations)) is not None:
            found["registrations"] = str(changed)
        if self._gas is not None and not (check := await self._gas()).ok:
            found["gas"] = check.reason + "."
        self._set(found, _CAUSES)
        self.clock()

    def shortfall(self, amount: int) -> None:
        """amount: what payees are owed beyond what was credited, in base units, when a cycle had done what it could."""
        reason = f"payees are owed {amount} base units more than payers' channels held: send that to the vault."
        self._set({"shortfall": reason} if amount else {}, ("shortfall",))

    def failed(self, cause: str, reason: str | None) -> None:
        """A hold for a cause of the caller's; None ends it."""
        self._set({cause: reason} if reason is not None else {}, (cause,))

    def stop(self, error: Exception) -> None:
        """Ends selling and signing: the database is not the ledger that the chain has."""
        if self._sales.stop("ledger", str(error)):
            _log.error("selling_stopped", cause="ledger", reason=str(error))

    def _set(self, found: Mapping[str, str], causes: tuple[str, ...]) -> None:
        for cause in causes:
            if cause in found and self._sales.hold(cause, found[cause]):
                _log.warning("selling_held", cause=cause, reason=found[cause])
            elif cause not in found and self._sales.allow(cause):
                _log.info("selling_resumed", cause=cause)
