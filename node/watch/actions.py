"""What a watcher did about a fault, or why it did nothing: one line each for people and for programs."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.crypto import Address, Bytes32


class Act(StrEnum):
    """The kinds of actions. Those that sent a transaction are marked with *."""

    DEMANDED = "demanded"
    """* A receipt or a payee's earnings were demanded, against a bond."""
    PROVED = "proved"
    """* A contradiction was proven: the header is dead."""
    EXPIRED = "expired"
    """* A demand stayed unanswered: the header is dead."""
    RECLAIMED = "reclaimed"
    """* The bond of a demand on a header that died of something else was returned."""
    WITHDREW = "withdrew"
    """* Returned bonds were paid out."""
    REWARDED = "rewarded"
    """* Rewards, up to half of a node's stake, were paid out."""
    RESTORED = "restored"
    """* What a node's stake owes to its payees was credited to them."""
    WAITING = "waiting"
    """A demand is open: somebody may still answer it."""
    ANSWERED = "answered"
    """A demand was answered: the header is right in this point, and the bond went to whoever answered."""
    DIED = "died"
    """The header is dead, by whatever challenge."""
    VANISHED = "vanished"
    """A reorganisation of the chain removed the header."""
    TOO_LATE = "too late"
    """The header is final, or its window has passed."""
    REFUSED = "refused"
    """The simulation reverted, so nothing was sent."""
    NOT_SENT = "not sent"
    """The transaction cannot be sent or is not mined now; the next look tries again."""
    NO_CHALLENGE = "no challenge"
    """The chain cannot judge the fault, or a file that the evidence needs cannot be had."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action. epoch: of the header; None for money that comes back. amount: a bond or a withdrawal, in wei."""

    act: Act
    node: Address
    epoch: int | None
    detail: str
    transaction: Bytes32 | None = None
    amount: int | None = None

    def __str__(self) -> str:
        where = f"epoch {self.epoch}: " if self.epoch is not None else ""
        sent = f" (transaction 0x{self.transaction.hex()})" if self.transaction is not None else ""
        return f"{where}{self.act}: {self.detail}{sent}"

    def to_json(self) -> dict[str, object]:
        """As a JSON object; wei as a decimal string."""
        return {
            "action": self.act,
            "vault": self.node,
            "epoch": self.epoch,
            "detail": self.detail,
            "transaction": None if self.transaction is None else "0x" + self.transaction.hex(),
            "wei": None if self.amount is None else str(self.amount),
        }
