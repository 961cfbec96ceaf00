"""How much of a node's ledger Settlement has recorded, from the events that the follower has read."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from node.chain.client import Log
from node.chain.demand_events import LeafDemanded, LeafJustified, PayeeDemanded, PayeeShown
from node.chain.demands import OpenDemands
from node.chain.events import (
    BatchActivated,
    BatchPosted,
    ChainEvent,
    Credited,
    Event,
    HeaderDied,
    LedgerClosed,
    PayeePaid,
    Refunded,
    SharePaid,
    TreasuryChanged,
    WithdrawFinalized,
    WithdrawInitiated,
)
from node.chain.follower import ChainFollower
from node.settlement.book import Book
from node.settlement.errors import LedgerConflict
from node.store.batches import StoredBatch


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted header. active_from: when its challenge window ends, in unix seconds; log: the event that posted it."""

    epoch: int
    header_hash: Bytes32
    active_from: int
    log: Log


@dataclass(slots=True)
class ChainProgress:
    """What Settlement and the escrow have recorded for one node. Amounts in base units.

    paid, share_paid: what was claimed, by payee and by (Datanet payee, contributor). withdrawals: the block of each
    channel's newest withdrawal or refund event; a balance that was read at an earlier block is out of date.
    finalize_after: when a pending withdrawal may be paid out, by channel, in unix seconds. deaths: how often a header
    died. died_at: receipts after this time can never be posted, in unix seconds; None while the vault lives.
    """

    posted: dict[int, Posted] = field(default_factory=dict)
    active_epoch: int = 0
    credited: int = 0
    paid: dict[Payee, int] = field(default_factory=lambda: defaultdict(int))
    share_paid: dict[tuple[Payee, Address], int] = field(default_factory=lambda: defaultdict(int))
    payments: list[tuple[Log, PayeePaid | SharePaid]] = field(default_factory=list)
    withdrawals: dict[Bytes32, int] = field(default_factory=dict)
    finalize_after: dict[Bytes32, int] = field(default_factory=dict)
    treasury: Address | None = None
    demands: OpenDemands = field(default_factory=OpenDemands)
    deaths: int = 0
    died_at: int | None = None
    _postings: Counter[int] = field(default_factory=Counter)

    @property
    def last_epoch(self) -> int:
        """The newest posted epoch; 0 if none is posted."""
        return max(self.posted, default=0)

    @property
    def active_from(self) -> int:
        """When the last window of a header ends that is not active, in unix seconds; 0 if there is none.

        Governance may shorten the window between two headers, so the last one to end is not always the newest header's.
        """
        waiting = (posted.active_from for epoch, posted in self.posted.items() if epoch > self.active_epoch)
        return max(waiting, default=0)

    def post_intent(self, stored: StoredBatch) -> str:
        """The unique name of posting a batch; another one after a death, when the same header is posted again."""
        name = f"post:{stored.header.epoch}:0x{stored.header_hash.hex()}"
        return f"{name}:{self.deaths}" if self.deaths else name

    def activate_intent(self, ready: int) -> str:
        """The unique name of activating the epochs up to `ready`; another one after a demand or a death held it up."""
        name = f"activate:{self.active_epoch}-{ready}"
        held = self.deaths + sum(self.demands.made[epoch] for epoch in range(self.active_epoch + 1, ready + 1))
        return f"{name}:{held}" if held else name

    def check_against(self, book: Book) -> None:
        """Raises LedgerConflict if the chain has a batch that is not in this node's database."""
        for epoch, posted in self.posted.items():
            ours = book.batches[epoch - 1].header_hash if epoch <= len(book.batches) else None
            if ours != posted.header_hash:
                raise LedgerConflict(book.ledger.node, epoch, posted.header_hash, ours)

    def _apply(self, followed: ChainEvent) -> None:
        event = followed.event
        match event:
            case BatchPosted():
                epoch = event.header.epoch
                self.posted[epoch] = Posted(epoch, event.header_hash, event.active_from, followed.log)
                self._postings[epoch] += 1
            case BatchActivated():
                self.active_epoch = max(self.active_epoch, event.epoch)
            case Credited():
                self.credited = event.total
            case PayeePaid():
                self.paid[Payee(event.payee_kind, event.id)] += event.amount
                self.payments.append((followed.log, event))
            case SharePaid():
                payee = Payee.of_datanet(event.datanet_id, event.version)
                self.share_paid[payee, event.contributor] += event.amount
                self.payments.append((followed.log, event))
            case WithdrawInitiated() | WithdrawFinalized() | Refunded():
                self.withdrawals[event.channel_id] = followed.log.block_number
                if isinstance(event, WithdrawInitiated):
                    self.finalize_after[event.channel_id] = event.finalize_after
                elif isinstance(event, WithdrawFinalized):
                    self.finalize_after.pop(event.channel_id, None)
            case TreasuryChanged():
                self.treasury = event.treasury
            case _:
                self._challenged(event)

    def _challenged(self, event: Event) -> None:
        match event:
            case HeaderDied():
                self.posted = {epoch: posted for epoch, posted in self.posted.items() if epoch < event.epoch}
                self.demands.end(event.epoch)
                self.deaths += 1
            case LedgerClosed():
                self.died_at = event.died_at
            case LeafDemanded() | LeafJustified() | PayeeDemanded() | PayeeShown():
                self.demands.apply(event, self._postings[event.epoch])
            case _:
                pass


def progress_of(follower: ChainFollower) -> ChainProgress:
    """The progress up to the newest followed block, including events that are not confirmed yet."""
    made = ChainProgress()
    for event in follower.events:
        made._apply(event)
    return made
