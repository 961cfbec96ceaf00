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
        """What the sequence has to compute next: one token if that is all, else at most `most`, perhaps none."""
        start, left = sequence.computed_len, sequence.left_len
        return cls(sequence, start, start + (left if left == 1 and start > 0 else min(left, most)), slot)

    @property
    def count(self) -> int:
        return self.end - self.start

    @property
    def is_decode(self) -> bool:
        return self.count == 1 and self.start > 0

    @property
    def samples(self) -> bool:
        """Whether this row computes the sequence's last token, after which the next one can be drawn."""
        return self.end == self.sequence.total_len


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's rows: decode rows first, each part sorted by adapter, so that an adapter's tokens are neighbours.

    decode_rows: how many of `rows` are decode rows; row i of these is token i of the step. lora: segments of the step's
    tokens. head: segments of the rows that sample, of adapters that change the head; None if there are none.
    """

    rows: tuple[Row, ...]
    decode_rows: int
    lora: LoraPlan | None
    head: LoraPlan | None = None

    @property
    def prefill_tokens(self) -> int:
        return sum(row.count for row in self.rows[self.decode_rows :])

    @classmethod
    def of(cls, rows: Ordered[Row]) -> "Batch":
        ordered = sorted(rows, key=lambda row: (not row.is_decode, row.slot.digest if row.slot else ""))
        decode_rows = sum(row.is_decode for row in ordered)
        return cls(tuple(ordered), decode_rows, LoraPlan.of(_segments(ordered)), LoraPlan.of(_head_segments(ordered)))


def _segments(rows: Ordered[Row]) -> Iterator[Segment]:
    """The token ranges that adapters act on: of an activated LoRA, only those from its invocation on."""
    start = 0
    for row in rows:
        end = start + row.count
        first = start + max(0, row.sequence.active_from - row.start)
        if row.slot is not None and first < end:
            yield Segment(row.slot, first, end)
        start = end


def _head_segments(rows: Ordered[Row]) -> Iterator[Segment]:
    """The sampling rows of adapters that change the head. Their last token is always one that the adapter acts on."""
    sampling = (row for row in rows if row.samples)
    for i, row in enumerate(sampling):
        if row.slot is not None and HEAD in row.slot.modules:
            yield Segment(row.slot, i, i + 1)
