"""The rows of one step: which tokens of which sequences, in which order."""

from collections.abc import Iterator
from collections.abc import Sequence as Ordered
from dataclasses import dataclass

from serving.engine.sequence import Sequence
from serving.lora.plan import LoraPlan, Segment
from serving.lora.slot import HEAD, Slot


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens start to end of one sequence are computed in this step. slot is None for the base alone."""

    sequence: Sequence
    start: int
    end: int
    slot: Slot | None

    @classmethod
    def of(cls, sequence: Sequence, most: int, slot: Slot | None) -> "Row":
        """The next tokens of a sequence: the one token of a decode, else at most `most`, perhaps none."""
        start, left = sequence.computed_len, sequence.left_len
        return cls(sequence, start, start + (left if left == 1 and start > 0 else min(left, most)), slot)

    @property
    def count(self) -> int:
        """The number of tokens."""
        return self.end - self.start

    @property
    def is_decode(self) -> bool:
        """Whether it computes one token of a sequence that has run before."""
        return self.count == 1 and self.start > 0

    @property
    def samples(self) -> bool:
        """Whether it computes the sequence's last token, after which the next one can be sampled."""
        return self.end == self.sequence.total_len


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step: decode rows first, each part sorted by adapter, so that an adapter's tokens are adjacent.

    decode_rows: how many of `rows` are decode rows; row i of these is token i of the step. sampling: the sequences of
    the rows that sample, in row order. lora: segments of the step's tokens. head: segments of the sampling rows, for
    adapters that change the head; None if there are none. began_at: on the clock of the sequences' arrivals.
    """

    rows: tuple[Row, ...]
    decode_rows: int
    sampling: tuple[Sequence, ...]
    lora: LoraPlan | None
    head: LoraPlan | None = None
    began_at: float = 0.0

    @property
    def prefill_tokens(self) -> int:
        """The tokens of all rows that are not decode rows."""
        return sum(row.count for row in self.rows[self.decode_rows :])

    @classmethod
    def of(cls, rows: Ordered[Row], *, began_at: float = 0.0) -> "Batch":
        """Sorts the rows and plans the LoRA segments."""
        ordered = sorted(rows, key=lambda row: (not row.is_decode, row.slot.digest if row.slot else ""))
        sampling = [row for row in ordered if row.samples]
        return cls(
            tuple(ordered),
            sum(row.is_decode for row in ordered),
            tuple(row.sequence for row in sampling),
            LoraPlan.of(_segments(ordered)),
            LoraPlan.of(_head_segments(sampling)),
            began_at,
        )


def _segments(rows: Ordered[Row]) -> Iterator[Segment]:
    """The token ranges that adapters act on; an activated LoRA acts only from its invocation on."""
    start = 0
    for row in rows:
        end = start + row.count
        first = start + max(0, row.sequence.active_from - row.start)
        if row.slot is not None and first < end:
            yield Segment(row.slot, first, end)
        start = end


def _head_segments(sampling: Ordered[Row]) -> Iterator[Segment]:
    """The sampling rows whose adapter changes the head. An adapter always acts on the last token of its sequence."""
    for i, row in enumerate(sampling):
        if row.slot is not None and HEAD in row.slot.modules:
            yield Segment(row.slot, i, i + 1)
