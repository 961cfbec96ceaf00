"""What a payer knows about one channel: pure numbers, so that it can be reasoned about and tested alone.

The law: a voucher covers everything charged plus the most that every unfinished request may still cost. The node
reserves no more than that, so a request signed here is admitted whatever order requests arrive in.
"""

from dataclasses import dataclass, replace
from typing import Self

from node.client.errors import DepositTooSmall
from node.client.wire import ChannelView


@dataclass(frozen=True, slots=True)
class Promise:
    """A signed request whose receipt is not known. `lost`: nobody waits for it any more, so none will come."""

    nonce: int
    max_fee: int
    expires_at: int
    lost: bool = False


class Overcharged(Exception):
    """The node reports more charged than the wallet ever signed."""

    def __init__(self, charged: int, signed_max: int) -> None:
        super().__init__(f"it reports {charged} as charged, but shows no voucher above {signed_max}")


@dataclass(frozen=True, slots=True)
class PendingDeposit:
    """A signed deposit whose fate is not known: `body` is posted again as it is, so that money moves once."""

    body: str
    valid_before: int


@dataclass(frozen=True, slots=True)
class Account:
    """Amounts in base units.

    charged: as far as receipts and the node told. balance: what vouchers may promise. signed_max: the highest voucher.
    """

    charged: int = 0
    balance: int = 0
    signed_max: int = 0
    promises: tuple[Promise, ...] = ()
    deposit: PendingDeposit | None = None

    @property
    def outstanding(self) -> int:
        return sum(promise.max_fee for promise in self.promises)

    def doubtful(self, now: float) -> bool:
        """True if a promise will never be resolved by a receipt: the node must be asked what it charged."""
        return any(promise.lost or promise.expires_at <= now for promise in self.promises)

    def covering(self, promise: Promise, elsewhere: int = 0) -> int:
        """The voucher of a promise that was just made: everything charged and outstanding, and no unit more.

        elsewhere: a proven cumulative amount that this key's requests from other places already take up.
        """
        return max(self.charged + self.outstanding, elsewhere + promise.max_fee)

    def promise(self, promise: Promise, elsewhere: int = 0) -> Self:
        """One more request. DepositTooSmall if the channel cannot cover its voucher."""
        after = replace(self, promises=(*self.promises, promise))
        required = after.covering(promise, elsewhere)
        if required > self.balance:
            raise DepositTooSmall(required, self.balance)
        return replace(after, signed_max=max(self.signed_max, required))

    def settle(self, nonce: int, cumulative: int) -> Self:
        """A receipt for this request says that the channel had been charged `cumulative` after it.

        It is believed up to what was signed here: more is another place's spending, which `refresh` proves.
        """
        return replace(self.release(nonce), charged=max(self.charged, min(cumulative, self.signed_max)))

    def release(self, nonce: int) -> Self:
        """The request was refused: it cost nothing."""
        return replace(self, promises=tuple(p for p in self.promises if p.nonce != nonce))

    def lose(self, nonce: int) -> Self:
        """The answer was cut off: what it cost is known to the node only."""
        return replace(self, promises=tuple(replace(p, lost=True) if p.nonce == nonce else p for p in self.promises))

    def refresh(self, view: ChannelView, proven_max: int, now: float) -> Self:
        """The node's figures, believed as far as vouchers prove them. Lower ones are believed too: they cost nothing.

        Promises that nobody waits for are forgotten once the node holds no reservation or their time is over.
        """
        signed_max = max(self.signed_max, proven_max)
        if view.charged > signed_max:
            raise Overcharged(view.charged, signed_max)
        waiting = tuple(p for p in self.promises if p.expires_at > now and (not p.lost or view.reserved > 0))
        return replace(
            self,
            charged=view.charged,
            balance=view.available,
            signed_max=signed_max,
            promises=waiting,
        )
