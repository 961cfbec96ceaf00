"""In which order a step's rows lie, and which rows are multiplied how. Decided once per step, used by every layer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from serving.lora.groups import Group
from serving.lora.slot import Slot
from serving.lora.stack import Stack, rank_class

_LONG_TOKENS = 8
"""An adapter with this many rows, and twice the mean, is multiplied alone: padding others to it wastes more."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows start to end belong to one adapter."""

    slot: Slot
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stacked:
    """Rows start to end belong to the first lanes of a stack.

    With equal segments row start + lane * length + i is token i of a lane. Otherwise `gather` [lanes * length] names
    the row (relative to start) of each padded place, and `scatter` [end - start] the place of each row.
    """

    stack: Stack
    lanes: int
    length: int
    start: int
    end: int
    gather: torch.Tensor | None
    scatter: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Alone:
    """Rows start to end belong to one lane of a stack."""

    stack: Stack
    lane: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LoraPlan:
    """How one step's rows meet their adapters. Rows in no part belong to the base alone."""

    alone: tuple[Alone, ...]
    stacked: tuple[Stacked, ...]


class LoraLayout:
    """Keeps the stacks between steps. Owned by the engine thread.   fused: the modules the base multiplies as one."""

    def __init__(self, device: torch.device, fused: Sequence[Group] = ()) -> None:
        self._device = device
        self._fused = fused
        self._stacks: dict[int, Stack] = {}

    def arrange(
        self, decode: Mapping[Slot, int], prefill: Iterable[Slot] = ()
    ) -> tuple[list[Slot], list[tuple[Stack, list[Slot]]]]:
        """Orders the adapters of the decode rows: (all slots in row order, the stacked groups within that order).

        The adapters of `prefill` rows get their lanes too.
        """
        batched: dict[int, list[Slot]] = defaultdict(list)
        others: dict[int, list[Slot]] = defaultdict(list)
        mean = sum(decode.values()) / max(1, len(decode))
        for slot, tokens in decode.items():
            long = tokens >= max(_LONG_TOKENS, 2 * mean)
            (others if long else batched)[rank_class(slot.rank)].append(slot)
        for slot in dict.fromkeys(prefill):
            if slot not in decode:
                others[rank_class(slot.rank)].append(slot)
        self._stacks = {
            rank: self._stacks.get(rank) or Stack(rank, self._fused) for rank in sorted({*batched, *others})
        }
        arranged = [(stack, stack.arrange(batched[rank], others[rank])) for rank, stack in self._stacks.items()]
        stacked = [(stack, lanes) for stack, lanes in arranged if lanes]
        in_stacks = {slot: None for _, lanes in stacked for slot in lanes}
        return [*in_stacks, *(slot for slot in decode if slot not in in_stacks)], stacked

    def clear(self) -> None:
        """Lets go of all adapters, so that an evicted one is really freed; the next step stacks what it needs."""
        self._stacks.clear()

    def plan(
        self, groups: Sequence[tuple[Stack, Sequence[Slot]]], decode: Mapping[Slot, Segment], prefill: Sequence[Segment]
    ) -> LoraPlan | None:
        """The plan for rows that lie as `arrange` asked; None if no row has an adapter."""
        stacked = tuple(self._stacked(stack, [decode[slot] for slot in lanes]) for stack, lanes in groups)
        in_stacks = {slot for _, lanes in groups for slot in lanes}
        segments = merge_neighbours([*(each for slot, each in decode.items() if slot not in in_stacks), *prefill])
        alone = tuple(self._alone(segment) for segment in segments)
        return LoraPlan(alone, stacked) if alone or stacked else None

    def _alone(self, segment: Segment) -> Alone:
        stack = self._stacks[rank_class(segment.slot.rank)]
        return Alone(stack, stack.lane_of(segment.slot), segment.start, segment.end)

    def _stacked(self, stack: Stack, segments: Sequence[Segment]) -> Stacked:
        start, end, lanes = segments[0].start, segments[-1].end, len(segments)
        lengths = [segment.end - segment.start for segment in segments]
        length = max(lengths)
        assert sum(lengths) == end - start, "the rows of a stack must be contiguous and in lane order"
        if length * lanes == end - start:
            return Stacked(stack, lanes, length, start, end, None, None)
        gather = [
            segment.start - start + min(i, n - 1)
            for segment, n in zip(segments, lengths, strict=True)
            for i in range(length)
        ]
        scatter = [lane * length + i for lane, n in enumerate(lengths) for i in range(n)]
        return Stacked(stack, lanes, length, start, end, self._index(gather), self._index(scatter))

    def _index(self, positions: list[int]) -> torch.Tensor:
        return torch.tensor(positions, dtype=torch.long, device=self._device)


def merge_neighbours(segments: Sequence[Segment]) -> list[Segment]:
    """Segments in row order; adjacent ones of the same adapter become one."""
    merged: list[Segment] = []
    for segment in sorted(segments, key=lambda each: each.start):
        if merged and merged[-1].slot is segment.slot and merged[-1].end == segment.start:
            merged[-1] = Segment(segment.slot, merged[-1].start, segment.end)
        else:
            merged.append(segment)
    return merged
