"""What a payer knows about one channel: pure numbers and the rules that change them.

The law: a voucher covers everything charged, plus the most that every unfinished request may still cost. The node
reserves no more than that, so a request signed here is admitted in whatever order requests arrive.
"""

from dataclasses import dataclass, replace
from typing import Self

from node.client.errors import DepositTooSmall, Overcharged
from node.client.wire import ChannelReport


@dataclass(frozen=True, slots=True)
class Promise:
    """A signed request without a receipt yet. `lost`: its answer was cut off, so no receipt will come.

    max_fee: in base units. expires_at: unix seconds after which the node can no longer charge it.
    """

    nonce: int
    max_fee: int
    expires_at: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class PendingDeposit:
    """A signed deposit with an unknown outcome. `body` is posted again unchanged, so that the tokens move only once.

    valid_before: unix seconds after which the chain refuses it.
    """

    body: str
    valid_before: int


@dataclass(frozen=True, slots=True)
class Account:
    """The payer's knowledge of one channel. Amounts in base units.

    charged: the highest cumulative charge that receipts and the node's reports prove. balance: what vouchers may
    promise. signed_max: the highest voucher. promises: the unfinished requests.
    """

    charged: int = 0
    balance: int = 0
    signed_max: int = 0
    promises: tuple[Promise, ...] = ()
    deposit: PendingDeposit | None = None

    @property
    def outstanding(self) -> int:
        """The most that the unfinished requests may still cost."""
        return sum(promise.max_fee for promise in self.promises)

    def needs_refresh(self, now: float) -> bool:
        """Whether some promise will never get a receipt, so that only the node's report tells what was charged."""
        return any(promise.lost or promise.expires_at <= now for promise in self.promises)

    def covering(self, promise: Promise, elsewhere: int = 0) -> int:
        """The cumulative amount of the voucher for the newest promise: everything charged and outstanding, exactly.

        elsewhere: a proven cumulative amount that other programs with the same key already use.
        """
        return max(self.charged + self.outstanding, elsewhere + promise.max_fee)

    def promise(self, promise: Promise, elsewhere: int = 0) -> Self:
        """The account with one more request. DepositTooSmall if the channel cannot cover its voucher."""
        after = replace(self, promises=(*self.promises, promise))
        required = after.covering(promise, elsewhere)
        if required > self.balance:
            raise DepositTooSmall(required, self.balance)
        return replace(after, signed_max=max(self.signed_max, required))

    def settle(self, nonce: int, cumulative: int) -> Self:
        """The request's receipt arrived; it says that the channel is charged `cumulative` in total.

        The amount is believed up to what was signed here. More is the spending of other programs, which only
        `refresh` can prove.
        """
        return replace(self.release(nonce), charged=max(self.charged, min(cumulative, self.signed_max)))

    def release(self, nonce: int) -> Self:
        """The request was refused and cost nothing."""
        return replace(self, promises=tuple(p for p in self.promises if p.nonce != nonce))

    def lose(self, nonce: int) -> Self:
        """The request's answer was cut off; only the node knows what it cost."""
        return replace(self, promises=tuple(replace(p, lost=True) if p.nonce == nonce else p for p in self.promises))

    def refresh(self, report: ChannelReport, proven_max: int, now: float) -> Self:
        """The account with the node's figures, as far as vouchers prove them; lower figures need no proof.

        proven_max: the highest amount for which the node shows a voucher of this wallet. Lost promises are dropped once
        the node reserves nothing, and expired ones always. Overcharged if no voucher covers the reported charge.
        """
        signed_max = max(self.signed_max, proven_max)
        if report.charged > signed_max:
            raise Overcharged(report.charged, signed_max)
        waiting = tuple(p for p in self.promises if p.expires_at > now and (not p.lost or report.reserved > 0))
        return replace(
            self,
            charged=report.charged,
            balance=report.available,
            signed_max=signed_max,
            promises=waiting,
        )
