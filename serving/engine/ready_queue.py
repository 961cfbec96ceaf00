"""The sequences whose adapter is on the device, in the order in which they may run."""

from bisect import insort
from collections.abc import Iterator

from serving.engine.fair_queue import FairQueue
from serving.engine.seniority import flow_of, seniority
from serving.engine.sequence import Sequence, Stage


class ReadyQueue:
    """Preempted sequences by seniority, and new sequences by fair turns. Owned by the engine thread.

    The order: first the flows that run nothing, then the others. Within each of these two groups, preempted sequences
    come before new ones.
    """

    def __init__(self) -> None:
        self._new: FairQueue[Sequence] = FairQueue(flow_of, _cost)
        self._resumed: list[Sequence] = []

    def __len__(self) -> int:
        return len(self._new) + len(self._resumed)

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._resumed
        yield from self._new

    def push(self, sequence: Sequence) -> None:
        """Adds a sequence that waits for a row."""
        sequence.stage = Stage.READY
        if sequence.has_begun:
            insort(self._resumed, sequence, key=seniority)
        else:
            self._new.push(sequence)

    def next(self) -> Sequence | None:
        """The sequence that may run next; None if none waits."""
        newcomer = next((each for each in self._resumed if self.is_newcomer(each)), None)
        if newcomer is not None:
            return newcomer
        new = self._new.peek() if len(self._new) else None
        if new is not None and self.is_newcomer(new):
            return new
        return self._resumed[0] if self._resumed else new

    def take(self, sequence: Sequence) -> None:
        """Removes the sequence that `next` returned, because it runs now."""
        if sequence.has_begun:
            self._resumed.remove(sequence)
        else:
            popped = self._new.pop()
            assert popped is sequence, "only the next sequence may run"

    def remove(self, sequence: Sequence) -> None:
        """Removes a sequence that does not wait any longer."""
        if sequence.has_begun:
            self._resumed.remove(sequence)
        else:
            self._new.remove(sequence)

    def row_begun(self, sequence: Sequence) -> None:
        """Counts a sequence of this flow as running."""
        self._new.begin(sequence)

    def row_ended(self, sequence: Sequence) -> None:
        """Counts a sequence of this flow as no longer running."""
        self._new.end(sequence)

    def is_newcomer(self, sequence: Sequence) -> bool:
        """Whether the sequence's flow runs nothing."""
        return self._new.is_idle(sequence)

    @property
    def resumed(self) -> list[Sequence]:
        """The sequences that have run before; some may still hold pages."""
        return self._resumed


def _cost(sequence: Sequence) -> int:
    return sequence.prompt_len + sequence.max_new_tokens
