"""What Settlement says when a node's stake does not cover the header that it posts."""

import re
from dataclasses import dataclass

_REFUSAL = re.compile(r"StakeTooLow\(0x[0-9a-fA-F]{40}, ([0-9]+), ([0-9]+)\)")


@dataclass(frozen=True, slots=True)
class MissingStake:
    """Stake in base units of the node's token. required: the least with which the header is accepted."""

    bonded: int
    required: int

    def __str__(self) -> str:
        return (
            f"the bonded stake of {self.bonded} does not cover the unclaimed fees, which need {self.required}: bond "
            f"{self.required - self.bonded} more with NodeRegistry.stake, or claim for the payees"
        )


def missing_stake(reason: str) -> MissingStake | None:
    """The stake that a refused `post` lacks; None if it was refused for another reason."""
    found = _REFUSAL.fullmatch(reason)
    return MissingStake(int(found[1]), int(found[2])) if found else None
