"""The rows of one step: which tokens of which sequences, in which order."""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

from serving.lora.layout import LoraLayout, LoraPlan, Segment
from serving.lora.slot import Slot
from serving.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens start to end of one sequence are computed in this step. slot is None for the base alone."""

    sequence: Sequence
    start: int
    end: int
    slot: Slot | None

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

    decode_rows: how many of `rows` are decode rows; row i of these is token i of the step.
    """

    rows: tuple[Row, ...]
    decode_rows: int
    lora: LoraPlan | None

    @classmethod
    def of(cls, rows: Ordered[Row], layout: LoraLayout) -> "Batch":
        decode = [row for row in rows if row.is_decode]
        counts: dict[Slot, int] = {}
        for row in decode:
            if row.slot is not None:
                counts[row.slot] = counts.get(row.slot, 0) + 1
        order, stacks = layout.arrange(counts, [row.slot for row in rows if row.slot is not None and not row.is_decode])
        place = {slot: i for i, slot in enumerate(order)}
        decode.sort(key=lambda row: -1 if row.slot is None else place[row.slot])
        prefill = sorted(
            (row for row in rows if not row.is_decode), key=lambda row: row.slot.digest if row.slot else ""
        )
        decode_segments: dict[Slot, Segment] = {}
        start = len(decode) - sum(counts.values())
        for slot in order:
            decode_segments[slot] = Segment(slot, start, start + counts[slot])
            start += counts[slot]
        prefill_segments = []
        for row in prefill:
            if row.slot is not None:
                prefill_segments.append(Segment(row.slot, start, start + row.count))
            start += row.count
        plan = layout.plan(stacks, decode_segments, prefill_segments)
        return cls((*decode, *prefill), len(decode), plan)
