"""The state of settlement: what is not posted, what is at risk, the last actions, and the pending transactions."""

from collections.abc import Sequence
from dataclasses import dataclass

from node.settlement.answer_states import AnswerState
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress
from node.store.channels import Channel
from node.store.outbox import Outgoing


@dataclass(frozen=True, slots=True)
class SettleStatus:
    """Amounts in base units, times in unix seconds (0: never).

    unposted: in receipts that are in no posted batch. at_risk: charged to payers and not yet claimed in the escrow.
    shortfall: what payees are owed by posted batches beyond what was credited. demands: those that are open on this
    node's headers, the most urgent first.
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
    shortfall: int = 0
    demands: tuple[AnswerState, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts as decimal strings."""
        return {
            "unpostedReceipts": self.unposted_receipts,
            "unpostedValue": str(self.unposted_value),
            "atRiskValue": str(self.at_risk_value),
            "credited": str(self.credited),
            "shortfall": str(self.shortfall),
            "lastEpoch": self.last_epoch,
            "activeEpoch": self.active_epoch,
            "activeFrom": self.active_from,
            "lastPostAt": self.last_post_at,
            "lastClaimAt": self.last_claim_at,
            "demands": [demand.to_json() for demand in self.demands],
            "pending": [_pending_json(transaction) for transaction in self.pending],
        }


def status_of(
    book: Book,
    progress: ChainProgress,
    channels: Sequence[Channel],
    pending: tuple[Outgoing, ...],
    last: tuple[Outgoing | None, Outgoing | None],
    *,
    demands: tuple[AnswerState, ...] = (),
) -> SettleStatus:
    """The status. pending: unfinished transactions; last: the newest (post, claim) transactions."""
    posted = book.tip_at(progress.last_epoch).state
    last_post, last_claim = last
    return SettleStatus(
        unposted_receipts=book.latest.seq - posted.seq,
        unposted_value=book.latest.cum_total - posted.cum_total,
        at_risk_value=sum(max(0, channel.charged - channel.total_claimed) for channel in channels),
        credited=progress.credited,
        last_epoch=progress.last_epoch,
        active_epoch=progress.active_epoch,
        active_from=progress.active_from,
        last_post_at=last_post.changed_at if last_post else 0,
        last_claim_at=last_claim.changed_at if last_claim else 0,
        pending=pending,
        shortfall=max(0, posted.cum_total - progress.credited),
        demands=demands,
    )


def _pending_json(transaction: Outgoing) -> dict[str, object]:
    return {
        "intent": transaction.intent,
        "state": transaction.state.value,
        "nonce": transaction.nonce,
        "transaction": "0x" + transaction.hash.hex() if transaction.hash else None,
        "since": transaction.created_at,
        "note": transaction.failure,
    }
