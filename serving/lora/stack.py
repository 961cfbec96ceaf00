"""The active adapters of one rank class side by side, so that one `bmm` serves them all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from serving.lora.groups import Group, groups_of
from serving.lora.slot import Slot


def rank_class(rank: int) -> int:
    """The padded rank: the next power of two, at least 8."""
    return max(8, 1 << (rank - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Lanes:
    """One group's weights in every lane.   columns: which part of the output each member's `b` writes.

    a: [lanes, d_in, members * rank], the members' A side by side.   b: per member [lanes, rank, width].
    """

    group: Group
    rank: int
    a: torch.Tensor
    b: tuple[torch.Tensor, ...]
    columns: tuple[slice, ...]

    def first(self, count: int) -> "Lanes":
        """The same for the first `count` lanes."""
        return Lanes(self.group, self.rank, self.a[:count], tuple(each[:count] for each in self.b), self.columns)


class Stack:
    """Lane i holds the weights of `_lanes[i]`, all groups of it in one contiguous piece.

    Ranks below the class and modules an adapter does not have are zeros, which add exactly nothing. `arrange` copies
    only adapters that are new: in steady decoding nothing is copied at all.

    On a CPU lanes are float32 whatever the model's dtype: a `bmm` with one token per lane is bound by reading weights,
    and the float32 kernel reads more than twice as fast as the bfloat16 one.
    """

    def __init__(self, rank: int, fused: Iterable[Group] = ()) -> None:
        self.rank = rank
        self._fused = tuple(fused)
        self._lanes: list[Slot] = []
        self._capacity = 0
        self._arena = torch.empty(0, 0)
        self._modules: frozenset[str] = frozenset()
        self._all: dict[str, Lanes] = {}
        self._groups: dict[str, tuple[Group, int]] = {}
        self._first: dict[str, Lanes] = {}
        self._batched = 0

    def arrange(self, batched: Sequence[Slot], others: Sequence[Slot] = ()) -> list[Slot]:
        """Makes the lanes hold exactly these slots, `batched` first; returns those in lane order."""
        slots = [*batched, *others]
        if {id(slot) for slot in slots} != {id(slot) for slot in self._lanes}:
            self._change(slots)
        self._part(batched)
        if len(batched) != self._batched:
            self._batched = len(batched)
            self._first = {name: lanes.first(len(batched)) for name, lanes in self._all.items()}
        return self._lanes[: len(batched)]

    def lane_of(self, slot: Slot) -> int:
        return self._lanes.index(slot)

    def batched(self, group: str) -> Lanes | None:
        """The batched lanes' weights of one group, or None if no adapter held so far has it."""
        return self._first.get(group)

    def every(self, group: str) -> Lanes | None:
        """All lanes' weights of one group."""
        return self._all.get(group)

    def check_integrity(self) -> None:
        """Every lane holds one adapter's weights, zero-padded, and no adapter has two lanes."""
        assert len({id(slot) for slot in self._lanes}) == len(self._lanes) <= self._capacity
        for lane, slot in enumerate(self._lanes):
            assert self._modules.issuperset(slot.modules)
            expected = torch.zeros_like(self._arena[lane])
            self._copy(slot, self._views(expected[None]), 0)
            assert torch.equal(self._arena[lane], expected)

    def _change(self, slots: Sequence[Slot]) -> None:
        wanted = {id(slot) for slot in slots}
        held = {id(slot) for slot in self._lanes}
        joining = [slot for slot in slots if id(slot) not in held]
        if len(slots) > self._capacity or any(not self._modules.issuperset(slot.modules) for slot in joining):
            self._rebuild(slots)
            return
        holes = [lane for lane, slot in enumerate(self._lanes) if id(slot) not in wanted]
        while holes and joining:
            lane = holes.pop()
            self._lanes[lane] = joining.pop()
            self._fill(lane)
        for slot in joining:
            self._lanes.append(slot)
            self._fill(len(self._lanes) - 1)
        for lane in sorted(holes, reverse=True):  # each hole takes the last lane, which then is the one to drop
            last = self._lanes.pop()
            if lane < len(self._lanes):
                self._arena[lane].copy_(self._arena[len(self._lanes)])
                self._lanes[lane] = last

    def _part(self, batched: Sequence[Slot]) -> None:
        """Swaps lanes until `batched` come first."""
        wanted = {id(slot) for slot in batched}
        outside = [lane for lane in range(len(wanted), len(self._lanes)) if id(self._lanes[lane]) in wanted]
        for lane in range(len(wanted)):
            if id(self._lanes[lane]) not in wanted:
                other = outside.pop()
                self._lanes[lane], self._lanes[other] = self._lanes[other], self._lanes[lane]
                self._arena[[lane, other]] = self._arena[[other, lane]]

    def _rebuild(self, slots: Sequence[Slot]) -> None:
        """A new arena with a power of two of lanes; everything is copied once."""
        self._capacity = 1 << (len(slots) - 1).bit_length()
        self._lanes = list(slots)
        self._modules = frozenset(name for slot in slots for name in slot.modules)
        groups = groups_of(slots, self._fused)
        elements = sum(self.rank * (d_in * len(group.members) + sum(group.widths)) for group, d_in in groups.values())
        weights = next(iter(slots[0].modules.values())).a
        dtype = torch.float32 if weights.device.type == "cpu" else weights.dtype
        self._arena = torch.empty(self._capacity, elements, dtype=dtype, device=weights.device)
        self._groups = groups
        self._all = self._views(self._arena)
        self._batched = -1
        for lane in range(len(slots)):
            self._fill(lane)

    def _views(self, arena: torch.Tensor) -> dict[str, Lanes]:
        """The groups' weights as views of an arena [lanes, elements]."""
        found, at = {}, 0

        def take(rows: int, columns: int) -> torch.Tensor:
            nonlocal at
            at += rows * columns
            return arena[:, at - rows * columns : at].view(-1, rows, columns)

        for name, (group, d_in) in self._groups.items():
            a = take(d_in, len(group.members) * self.rank)
            b = tuple(take(self.rank, width) for width in group.widths)
            ends = [sum(group.widths[: i + 1]) for i in range(len(group.widths))]
            columns = tuple(slice(end - width, end) for end, width in zip(ends, group.widths, strict=True))
            found[name] = Lanes(group, self.rank, a, b, columns)
        return found

    def _fill(self, lane: int) -> None:
        self._arena[lane].zero_()
        self._copy(self._lanes[lane], self._all, lane)

    def _copy(self, slot: Slot, groups: Mapping[str, Lanes], lane: int) -> None:
        """The adapter's weights into one zeroed lane."""
        places, weights = [], []
        for lanes in groups.values():
            for i, member in enumerate(lanes.group.members):
                pair = slot.modules.get(member)
                if pair is not None:
                    places += [
                        lanes.a[lane, :, i * self.rank : i * self.rank + pair.rank],
                        lanes.b[i][lane, : pair.rank],
                    ]
                    weights += [pair.a, pair.b]
        torch._foreach_copy_(places, weights)
