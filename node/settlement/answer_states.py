"""How far the answer to an open demand is, and when the stake is at risk."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.encoding import rfc3339
from node.chain.demands import Demand
from node.store.outbox import Outgoing, State

NEAR_S = 6 * 3_600
"""With less time than this until its deadline, a demand that is not answered puts the stake at risk."""
_DONE_BY_OTHERS = ("NoDemand(", "UnknownHeader(")
"""Refusals of an answer that comes too late: the demand was answered by somebody else, or its header died."""
_SENT = (State.SIGNED, State.BROADCAST, State.MINED, State.FINAL)


class Progress(StrEnum):
    """How far an answer is."""

    WAITS = "waits"  # not sent yet; the note says why
    SENT = "sent"  # under way, or mined
    OVERTAKEN = "overtaken"  # somebody else was faster, or the header died: the event will follow
    REFUSED = "refused"  # the contracts do not accept what this ledger says
    IMPOSSIBLE = "impossible"  # this ledger does not have the batch


@dataclass(frozen=True, slots=True)
class AnswerState:
    """An open demand on one of this node's headers and the state of its answer. transaction: 0x hash, if sent."""

    demand: Demand
    progress: Progress
    note: str | None = None
    transaction: str | None = None

    def at_risk(self, now: int) -> bool:
        """Whether the stake is at risk at `now` (unix seconds)."""
        hopeless = self.progress in (Progress.REFUSED, Progress.IMPOSSIBLE)
        return hopeless or (self.progress is not Progress.OVERTAKEN and self.demand.deadline - now <= NEAR_S)

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return f"{self.demand} must be answered by {rfc3339(self.demand.deadline)}; the answer {self._verb()}{note}"

    def _verb(self) -> str:
        return {
            Progress.WAITS: "waits",
            Progress.SENT: "is sent and not mined yet",
            Progress.OVERTAKEN: "was not needed",
            Progress.REFUSED: "is refused by the contracts",
            Progress.IMPOSSIBLE: "cannot be made from this database",
        }[self.progress]

    def to_json(self) -> dict[str, object]:
        """As a JSON object; the bond in wei, as a decimal string."""
        return {
            "epoch": self.demand.epoch,
            "item": self.demand.place,
            "author": self.demand.author,
            "bond": str(self.demand.bond),
            "answerBy": self.demand.deadline,
            "answer": self.progress.value,
            "transaction": self.transaction,
            "note": self.note,
        }


def answer_state(demand: Demand, sent: Outgoing | None) -> AnswerState:
    """The state of an answer by its transaction in the outbox; None if there is no transaction yet."""
    if sent is None:
        return AnswerState(demand, Progress.WAITS, "it is being made")
    transaction = "0x" + sent.hash.hex() if sent.hash else None
    if sent.state in _SENT:
        return AnswerState(demand, Progress.SENT, sent.failure, transaction)
    if sent.state is State.INTENDED:
        return AnswerState(demand, Progress.WAITS, sent.failure, transaction)
    return AnswerState(demand, _failed(sent), sent.failure, transaction)


def _failed(sent: Outgoing) -> Progress:
    """A transaction that reverted when it was mined lost a race, or ran into a reorganisation: it is tried again."""
    if sent.mined_hash is not None:
        return Progress.WAITS
    late = (sent.failure or "").startswith(_DONE_BY_OTHERS)
    return Progress.OVERTAKEN if late else Progress.REFUSED
