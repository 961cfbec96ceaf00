"""One settlement cycle: post receipts, claim vouchers for what is posted, sweep what was claimed, activate epochs."""

import asyncio
from dataclasses import dataclass, field, replace

from contracts.crypto import Bytes32
from node.chain.client import Call
from node.chain.contracts import EscrowContract, RegistryContract, SettlementContract, TokenContract, VaultContract
from node.chain.follower import ChainFollower
from node.chain.registrations import ChainRegistrations
from node.settlement.batcher import Batcher
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress, progress_of
from node.settlement.collection import Collection, Due
from node.settlement.errors import TransactionFailed
from node.settlement.outbox import Outbox
from node.settlement.profit_gate import PendingValue, ProfitGate, reason_to_wait
from node.settlement.stake import missing_stake
from node.store.batches import StoredBatch
from node.store.outbox import Outgoing

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """claims_per_call: channels per claim transaction. mining_timeout_s: how long a step waits until it is mined."""

    gate: ProfitGate = field(default_factory=ProfitGate)
    claims_per_call: int = 25
    mining_timeout_s: float = 60


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What a cycle did, or in a dry run would do. Amounts in base units, transactions as 0x hashes.

    waits: why receipts stay unposted. active_from: when the last window ends in unix seconds, 0 if all batches are
    active. shortfall: by how much the total of the newest batch exceeds what was credited.
    """

    dry_run: bool
    waits: str | None = None
    posted: tuple[tuple[int, int, int], ...] = ()  # epoch, receipts, cumulative total
    claimed: tuple[tuple[Bytes32, int], ...] = ()  # channel, amount
    refused: tuple[tuple[Bytes32, str], ...] = ()  # channel, reason
    swept: int = 0
    last_epoch: int = 0
    active_epoch: int = 0
    active_from: int = 0
    shortfall: int = 0
    transactions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts as decimal strings."""
        return {
            "dryRun": self.dry_run,
            "waits": self.waits,
            "posted": [{"epoch": e, "receipts": count, "cumTotal": str(total)} for e, count, total in self.posted],
            "claimed": [{"channelId": "0x" + channel.hex(), "amount": str(amount)} for channel, amount in self.claimed],
            "refused": [{"channelId": "0x" + channel.hex(), "reason": reason} for channel, reason in self.refused],
            "swept": str(self.swept),
            "lastEpoch": self.last_epoch,
            "activeEpoch": self.active_epoch,
            "activeFrom": self.active_from,
            "shortfall": str(self.shortfall),
            "transactions": list(self.transactions),
        }


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of settlement that a cycle uses."""

    follower: ChainFollower
    registrations: ChainRegistrations
    book: Book
    batcher: Batcher
    outbox: Outbox
    collection: Collection
    settlement: SettlementContract
    escrow: EscrowContract
    vault: VaultContract
    token: TokenContract
    registry: RegistryContract


class Cycle:
    """Settles one node's ledger. If a cycle is interrupted anywhere, the next cycle completes it."""

    def __init__(self, parts: Parts, policy: CyclePolicy) -> None:
        self._parts, self._policy = parts, policy
        self._running: asyncio.Future[CycleReport] | None = None
        self._has_sent = False
        """Whether a transaction was sent since the chain was last read."""

    async def run(self, now: int, *, force: bool = False, dry_run: bool = False, wait_s: float = 0) -> CycleReport:
        """Runs one cycle after any that is running. force: settle even if the gas costs more than the value.

        wait_s: how long to wait for the last window to end.

        Raises TransactionPending or TransactionFailed if a step did not succeed, LedgerConflict or LedgerBroken if
        nothing may be posted, and ChainError.
        """
        while self._running is not None and not self._running.done():
            await asyncio.wait([self._running])
        self._running = asyncio.ensure_future(self._run(now, force=force, dry_run=dry_run, wait_s=wait_s))
        return await asyncio.shield(self._running)

    @property
    def gate(self) -> ProfitGate:
        """When a cycle is worth its gas."""
        return self._policy.gate

    async def close(self) -> None:
        """Cancels the running cycle, if any. The next cycle completes it."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    async def catch_up(self) -> ChainProgress:
        """Reads new events and receipts. Raises LedgerConflict if the chain has a batch that is not this node's."""
        parts = self._parts
        await parts.follower.poll()
        parts.registrations.refresh()
        await parts.book.refresh()
        self._has_sent = False
        progress = progress_of(parts.follower)
        progress.check_against(parts.book)
        return progress

    async def _updated(self, progress: ChainProgress) -> ChainProgress:
        """`progress`, read again only if a transaction was sent since: a cycle that sends nothing reads once."""
        return await self.catch_up() if self._has_sent else progress

    async def _run(self, now: int, *, force: bool, dry_run: bool, wait_s: float) -> CycleReport:
        progress = await self.catch_up()
        waits = None if force else await self._reason_to_wait(progress, now)
        if dry_run:
            return await self._foreseen(progress, waits)
        report = CycleReport(dry_run=False, waits=waits)
        if waits is None:
            report = await self._post(report, progress)
            progress = await self._updated(progress)
            report = await self._claim(report, progress)
            progress = await self._updated(progress)
            report = await self._sweep(report, progress)
        return await self._activate(report, progress, wait_s)

    async def _post(self, report: CycleReport, progress: ChainProgress) -> CycleReport:
        """Posts stored batches that the chain does not have, then new batches until no receipt is left.

        Stops with a reason to wait if the stake does not cover the unclaimed money.
        """
        book = self._parts.book
        for stored in book.batches[progress.last_epoch :]:
            report = await self._post_one(report, stored, progress.post_intent(stored))
            if report.waits is not None:
                return report
        until = progress.died_at
        while report.waits is None and book.unbatched.count and await self._parts.batcher.cut(until) is not None:
            report = await self._post_one(report, book.batches[-1], progress.post_intent(book.batches[-1]))
        return report

    async def _post_one(self, report: CycleReport, stored: StoredBatch, intent: str) -> CycleReport:
        header = stored.header
        try:
            sent = await self._post_in_time(stored, intent)
        except TransactionFailed as error:
            if error.reason.startswith("ClosedAfterDeath"):
                return replace(report, waits=f"batch {header.epoch} has receipts from after the vault's end")
            missing = missing_stake(error.reason)
            if missing is None:
                raise
            return replace(report, waits=str(missing))
        posted = (*report.posted, (header.epoch, header.count, header.cum_total))
        return _with(replace(report, posted=posted), sent)

    async def _post_in_time(self, stored: StoredBatch, intent: str) -> Outgoing:
        """Posts a batch, and repeats while the newest block is older than the last receipt.

        Receipts are dated by the wall clock; the timestamp of the newest block can lag behind it.
        """
        deadline = asyncio.get_running_loop().time() + self._policy.mining_timeout_s
        while True:
            try:
                return await self._send(intent, self._parts.settlement.post(stored.header))
            except TransactionFailed as error:
                early = error.reason.startswith("ClosedInFuture")
                if not early or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(POLL_S)

    async def _claim(self, report: CycleReport, progress: ChainProgress) -> CycleReport:
        due = await self._due(progress)
        policy = self._policy
        done = await self._parts.collection.collect(due, policy.claims_per_call, policy.mining_timeout_s)
        self._has_sent = self._has_sent or bool(done.sent)
        return _with(replace(report, claimed=done.claimed, refused=done.refused), *done.sent)

    async def _sweep(self, report: CycleReport, progress: ChainProgress) -> CycleReport:
        """Forwards everything claimed, and all other tokens in the vault, to Settlement."""
        amount = await self._sweepable()
        if amount == 0:
            return report
        # `credited` grows with every sweep, so the intent is unique
        sent = await self._send(f"sweep:{progress.credited}", self._parts.vault.sweep())
        return _with(replace(report, swept=amount), sent)

    async def _activate(self, report: CycleReport, progress: ChainProgress, wait_s: float) -> CycleReport:
        """Activates the epochs that may be activated, and waits up to `wait_s` for the last window to end."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            progress = await self._updated(progress)
            ready = self._ready(progress)
            if ready > progress.active_epoch:
                call = self._parts.settlement.activate(self._parts.book.ledger.node)
                report = _with(report, await self._send(progress.activate_intent(ready), call))
                progress = await self._updated(progress)
            shortfall = max(0, self._posted_total(progress) - progress.credited)
            waiting = progress.active_epoch < progress.last_epoch and not shortfall
            if not waiting or asyncio.get_running_loop().time() > deadline:
                return self._closed(report, progress, shortfall)
            await asyncio.sleep(POLL_S)
            progress = await self.catch_up()  # the window ends with a new block

    def _closed(self, report: CycleReport, progress: ChainProgress, shortfall: int) -> CycleReport:
        return replace(
            report,
            last_epoch=progress.last_epoch,
            active_epoch=progress.active_epoch,
            active_from=progress.active_from,
            shortfall=shortfall,
        )

    def _ready(self, progress: ChainProgress) -> int:
        """The newest epoch up to which all windows have passed, all demands are answered, and all totals credited."""
        ready = progress.active_epoch
        for epoch in range(ready + 1, progress.last_epoch + 1):
            passed = progress.posted[epoch].active_from <= self._parts.follower.head.timestamp
            if progress.demands.hold_up(epoch):
                break
            if not passed or self._parts.book.tip_at(epoch).state.cum_total > progress.credited:
                break
            ready = epoch
        return ready

    async def _foreseen(self, progress: ChainProgress, waits: str | None) -> CycleReport:
        """What a forced cycle would do, with claims as if all receipts were posted."""
        book = self._parts.book
        rows = [
            (batch.header.epoch, batch.header.count, batch.header.cum_total)
            for batch in book.batches[progress.last_epoch :]
        ]
        if book.unbatched.count:
            rows.append((len(book.batches) + 1, book.unbatched.count, book.latest.cum_total))
        due = await self._parts.collection.due(book.latest.tree)
        claimed = tuple((owed.channel_id, owed.amount) for owed in due)
        swept = await self._sweepable() + sum(amount for _, amount in claimed)
        report = CycleReport(dry_run=True, waits=waits, posted=tuple(rows), claimed=claimed, swept=swept)
        return self._closed(report, progress, shortfall=0)

    async def _reason_to_wait(self, progress: ChainProgress, now: int) -> str | None:
        book = self._parts.book
        due = await self._parts.collection.due(book.latest.tree)
        if progress.last_epoch < len(book.batches):
            return None  # a stored batch must be posted: payees may already rely on it
        oldest = book.unbatched.oldest_at
        leaving = any(owed.leaving for owed in due)
        value = max(sum(owed.amount for owed in due), book.unbatched.value)
        head = self._parts.follower.head
        return reason_to_wait(self._policy.gate, PendingValue(value, len(due), oldest, leaving), head.base_fee, now)

    async def _due(self, progress: ChainProgress) -> tuple[Due, ...]:
        return await self._parts.collection.due(self._parts.book.tip_at(progress.last_epoch).state.tree)

    async def _sweepable(self) -> int:
        """What the escrow owes to the vault plus the vault's balance, in base units."""
        vault, token = self._parts.collection.vault, self._parts.token
        claimed, settled = await self._parts.escrow.receiver(vault, token.contract.address)
        return claimed - settled + await token.balance_of(vault)

    def _posted_total(self, progress: ChainProgress) -> int:
        return self._parts.book.tip_at(progress.last_epoch).state.cum_total

    async def _send(self, intent: str, call: Call) -> Outgoing:
        self._has_sent = True
        return await self._parts.outbox.send(intent, call, self._policy.mining_timeout_s)


def _with(report: CycleReport, *sent: Outgoing) -> CycleReport:
    hashes = tuple("0x" + transaction.hash.hex() for transaction in sent if transaction.hash is not None)
    return replace(report, transactions=report.transactions + hashes)
