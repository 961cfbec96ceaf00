"""Open demands on the headers of a node, as the events of Challenges add up to them."""

from collections import Counter
from dataclasses import dataclass, field

from attribution.split import Payee
from attribution.state_tree import earned_key
from contracts.crypto import Address, Bytes32
from contracts.encoding import to_hex, uint_word
from node.chain.demand_events import DemandEvent, LeafDemanded, LeafJustified, PayeeDemanded

KIND_LEAF, KIND_PAYEE = 0, 1
"""The kinds of demands, as Challenges numbers them."""
Subject = int | Payee
"""What is demanded: the leaf with this index in its batch, or what a payee earned."""


@dataclass(frozen=True, slots=True)
class Demand:
    """An open demand on a header. bond: wei; deadline: from then on the header may die, in unix seconds.

    posting: how often a header of this epoch was posted when it was demanded; it dies with its demands, and may be
    posted again.
    """

    node: Address
    epoch: int
    subject: Subject
    author: Address
    bond: int
    deadline: int
    posting: int = 1

    @classmethod
    def of(cls, event: LeafDemanded | PayeeDemanded, posting: int = 1) -> "Demand":
        """The demand that an event opens."""
        return cls(event.node, event.epoch, subject_of(event), event.author, event.bond, event.deadline, posting)

    @property
    def kind(self) -> int:
        """KIND_LEAF or KIND_PAYEE."""
        return KIND_LEAF if isinstance(self.subject, int) else KIND_PAYEE

    @property
    def item(self) -> Bytes32:
        """The number under which Challenges keeps it: the leaf's index, or the payee's key in the state tree."""
        return Bytes32(uint_word(self.subject if isinstance(self.subject, int) else earned_key(self.subject)))

    @property
    def place(self) -> str:
        """What is demanded, as a word without spaces: `leaf:3` or `payee:0:0x…`."""
        if isinstance(self.subject, int):
            return f"leaf:{self.subject}"
        return f"payee:{self.subject.kind}:{to_hex(self.subject.id)}"

    @property
    def intent(self) -> str:
        """The unique name of its answer: vault, epoch, kind and item, and which posting if there was more than one."""
        name = f"answer:{self.node}:{self.epoch}:{self.place}"
        return name if self.posting == 1 else f"{name}:posting-{self.posting}"

    def __str__(self) -> str:
        what = f"leaf {self.subject}" if isinstance(self.subject, int) else f"the {self.place.replace(':', ' ', 1)}"
        return f"the demand for {what} of epoch {self.epoch}"


@dataclass(slots=True)
class OpenDemands:
    """The demands that nobody has answered. made: how many were ever made, by epoch."""

    by_place: dict[tuple[int, Subject], Demand] = field(default_factory=dict)
    made: Counter[int] = field(default_factory=Counter)

    def apply(self, event: DemandEvent, posting: int) -> None:
        """Opens or closes a demand. posting: how often a header of the epoch was posted so far."""
        place = event.epoch, subject_of(event)
        if isinstance(event, LeafDemanded | PayeeDemanded):
            self.by_place[place] = Demand.of(event, posting)
            self.made[event.epoch] += 1
        else:
            self.by_place.pop(place, None)

    def end(self, epoch: int) -> None:
        """The header of `epoch` and all later ones died: nothing can be answered there any more."""
        self.by_place = {place: demand for place, demand in self.by_place.items() if place[0] < epoch}

    def hold_up(self, epoch: int) -> bool:
        """Whether a demand on this epoch is open, so that it cannot become active."""
        return any(place[0] == epoch for place in self.by_place)

    def by_deadline(self) -> tuple[Demand, ...]:
        """All open demands, the most urgent first."""
        return tuple(sorted(self.by_place.values(), key=lambda demand: (demand.deadline, demand.epoch, demand.place)))


def subject_of(event: DemandEvent) -> Subject:
    """What an event is about."""
    if isinstance(event, LeafDemanded | LeafJustified):
        return event.index
    return Payee(event.payee_kind, event.id)
