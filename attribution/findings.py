"""What can be wrong with a posted batch: each fault with its place and the values that show it."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.crypto import Bytes32
from contracts.structs import UsageReceipt


class Fault(StrEnum):
    """The kinds of faults, named as the challenge that answers them (docs/protocol.md)."""

    UNJUSTIFIED_LEAF = "unjustified leaf"
    """A receipt or its state root breaks a rule: nobody can justify the leaf, so a demand for it kills the header."""
    BROKEN_LINK = "broken link"
    """The batch does not end in its header's state root: proven at once."""
    DOUBLE_BILLING = "double billing"
    """Two receipts of the ledger bill one signed request: proven at once."""
    EQUIVOCATION = "equivocation"
    """The node signed another receipt with the number of a posted one: proven at once."""
    OVER_CLAIM = "over-claim"
    """The vault claimed more of a channel than the newest posted state charges: proven at once."""
    WITHHELD = "withheld file"
    """The header is on the chain, and no file that rebuilds its `receiptsRoot` can be had: a demand asks for it."""
    UNCHAINED = "unchained header"
    """The header does not continue the ledger; Settlement refuses such a header."""
    UNSIGNED = "unsigned receipt"
    """The operator key in force did not sign the receipt; the file proves nothing against the node."""


@dataclass(frozen=True, slots=True)
class Place:
    """One leaf of a ledger: receipt `seq`, which is leaf `index` of epoch `epoch`."""

    epoch: int
    index: int
    seq: int


@dataclass(frozen=True, slots=True)
class SignedLeaf:
    """A receipt that a node signed and gave to somebody, with the signature."""

    receipt: UsageReceipt
    signature: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a batch.

    rule: T1 to T9 of docs/protocol.md, or None for what no rule of the transition says. place: the leaf; None for a
    fault of the whole batch. earlier: the first of two leaves that bill one request. signed: the receipt that
    contradicts the leaf. channel_id: the channel that was claimed too far.
    """

    fault: Fault
    epoch: int
    detail: str
    rule: str | None = None
    place: Place | None = None
    earlier: Place | None = None
    signed: SignedLeaf | None = None
    channel_id: Bytes32 | None = None

    def __str__(self) -> str:
        where = f"epoch {self.epoch}" + (f", receipt {self.place.seq}" if self.place else "")
        rule = f"{self.rule} broken ({self.fault})" if self.rule else self.fault
        return f"{where}: {rule}: {self.detail}"

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            "fault": self.fault,
            "epoch": self.epoch,
            "seq": self.place.seq if self.place else None,
            "index": self.place.index if self.place else None,
            "rule": self.rule,
            "detail": self.detail,
        }
