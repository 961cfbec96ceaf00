"""The findings that are pursued on the chain, and how many receipts of one header are demanded at once.

Whoever publishes a file can put a wrong signature into it beside a right receipt, to earn the bond of the demand by
showing the right one. So a finding that no other evidence can mend is demanded first and alone; others up to four.
"""

from dataclasses import dataclass, field

from attribution.findings import Finding
from contracts.crypto import Bytes32
from node.watch.challenges import Challenge

DEMANDS_PER_HEADER = 4
_KEPT_PER_HEADER = 16
_MENDABLE = frozenset({"T2", "T3", "T9"})
"""Rules about signatures and registrations: the file may have another one than the operator can show."""


@dataclass(slots=True)
class Case:
    """A finding with its challenge, and what the chain said about its demand at the last look."""

    challenge: Challenge
    finding: Finding
    is_open: bool = False
    is_answered: bool = False

    @property
    def is_mendable(self) -> bool:
        """Whether other evidence than the file's could justify the leaf."""
        return self.finding.rule in _MENDABLE

    @property
    def key(self) -> tuple[Bytes32, str, str]:
        """What tells two cases apart."""
        return self.challenge.header.struct_hash(), self.challenge.function, repr(self.challenge.arguments[1:])

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Proofs before demands, then what nobody can mend, then the order of the receipts."""
        place = self.finding.place
        return self.challenge.bonded, self.is_mendable, place.seq if place else 0


@dataclass(slots=True)
class Cases:
    """The cases of one node."""

    _held: dict[tuple[Bytes32, str, str], Case] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        """Keeps a case unless it is known. Of one header only the strongest demands are kept."""
        self._held.setdefault(case.key, case)
        rivals = sorted(self._of(case.challenge), key=lambda one: one.rank)
        for weak in rivals[_KEPT_PER_HEADER:]:
            if not weak.is_open:
                self.drop(weak)

    def drop(self, case: Case) -> None:
        """Forgets a case."""
        self._held.pop(case.key, None)

    def ordered(self) -> list[Case]:
        """All cases: by epoch, the strongest first."""
        return sorted(self._held.values(), key=lambda one: (one.challenge.bonded, one.challenge.header.epoch, one.rank))

    def allow(self, case: Case) -> bool:
        """Whether one more receipt of the case's header may be demanded."""
        made = [one for one in self._of(case.challenge) if one.is_open or one.is_answered]
        certain = any(one.is_open and not one.is_mendable for one in made)
        return not certain and len(made) < DEMANDS_PER_HEADER

    def _of(self, challenge: Challenge) -> list[Case]:
        header = challenge.header.struct_hash()
        return [one for key, one in self._held.items() if key[0] == header and one.challenge.bonded]
