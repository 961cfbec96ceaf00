"""Which rows of a step use which adapter: planned once per step, read by every layer."""

from collections.abc import Iterable
from dataclasses import dataclass

from serving.lora.slot import Slot


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows start to end of the step use the adapter in `slot`."""

    slot: Slot
    start: int
    end: int


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class LoraPlan:
    """The segments of one step in row order, without overlaps. Rows in no segment use the base alone."""

    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> "LoraPlan | None":
        """Merges adjacent segments of one adapter; None if no row has an adapter. Segments must be in row order."""
        merged: list[Segment] = []
        for segment in segments:
            if merged and merged[-1].slot is segment.slot and merged[-1].end == segment.start:
                merged[-1] = Segment(segment.slot, merged[-1].start, segment.end)
            else:
                assert not merged or merged[-1].end <= segment.start, "segments must be in row order"
                merged.append(segment)
        return cls(tuple(merged)) if merged else None
