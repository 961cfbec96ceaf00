"""How settlement stands: what is not posted, what is at risk, what was done last, what is on its way."""

from collections.abc import Sequence
from dataclasses import dataclass

from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress
from node.store.channels import Channel
from node.store.outbox import Outgoing


@dataclass(frozen=True, slots=True)
class SettleStatus:
    """Amounts in base units, times in unix seconds (0: never).

    unposted: receipts that are in no posted batch. at_risk: charged to payers and not yet claimed in the escrow.
    """

    unposted_receipts: int
    unposted_value: int
    at_risk_value: int
    credited: int
    last_epoch: int
    active_epoch: int
    active_from: int
    last_post_at: int
    last_claim_at: int
    pending: tuple[Outgoing, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "unpostedReceipts": self.unposted_receipts,
            "unpostedValue": str(self.unposted_value),
            "atRiskValue": str(self.at_risk_value),
            "credited": str(self.credited),
            "lastEpoch": self.last_epoch,
            "activeEpoch": self.active_epoch,
            "activeFrom": self.active_from,
            "lastPostAt": self.last_post_at,
            "lastClaimAt": self.last_claim_at,
            "pending": [_pending_json(one) for one in self.pending],
        }


def status_of(
    book: Book,
    progress: ChainProgress,
    channels: Sequence[Channel],
    pending: tuple[Outgoing, ...],
    last: tuple[Outgoing | None, Outgoing | None],
) -> SettleStatus:
    """The status from the book, the chain's progress, the channels, and the (last post, last claim) sent."""
    posted = book.tip_at(progress.last_epoch).state
    newest = progress.posted.get(progress.last_epoch)
    last_post, last_claim = last
    return SettleStatus(
        unposted_receipts=book.latest.seq - posted.seq,
        unposted_value=book.latest.cum_total - posted.cum_total,
        at_risk_value=sum(max(0, channel.charged - channel.total_claimed) for channel in channels),
        credited=progress.credited,
        last_epoch=progress.last_epoch,
        active_epoch=progress.active_epoch,
        active_from=newest.active_from if newest and progress.active_epoch < progress.last_epoch else 0,
        last_post_at=last_post.changed_at if last_post else 0,
        last_claim_at=last_claim.changed_at if last_claim else 0,
        pending=pending,
    )


def _pending_json(one: Outgoing) -> dict[str, object]:
    return {
        "intent": one.intent,
        "state": one.state.value,
        "nonce": one.nonce,
        "transaction": "0x" + one.hash.hex() if one.hash else None,
        "since": one.created_at,
        "note": one.failure,
    }
