"""The active adapters of one rank class side by side, so that one `bmm` serves them all."""

from collections.abc import Mapping, Sequence

import torch

from serving.lora.slot import LoraPair, Slot


def rank_class(rank: int) -> int:
    """The padded rank: the next power of two, at least 8."""
    return max(8, 1 << (rank - 1).bit_length())


class Stack:
    """a[module]: [lanes, d_in, rank], b[module]: [lanes, rank, d_out]; lane i belongs to `digests[i]`.

    Ranks below the class and modules an adapter does not have are zeros, which add exactly nothing. `arrange` copies
    only adapters that are new: in steady decoding nothing is copied at all.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self._lanes: list[Slot] = []
        self._capacity = 0
        self._pairs: dict[str, LoraPair] = {}
        self._lane_views: dict[str, LoraPair] = {}

    def arrange(self, slots: Sequence[Slot]) -> list[Slot]:
        """Makes the lanes hold exactly `slots`; returns them in lane order."""
        if {id(slot) for slot in slots} != {id(slot) for slot in self._lanes}:
            self._change(slots)
            count = len(self._lanes)
            self._lane_views = {name: LoraPair(each.a[:count], each.b[:count]) for name, each in self._pairs.items()}
        return list(self._lanes)

    def _change(self, slots: Sequence[Slot]) -> None:
        wanted = {id(slot) for slot in slots}
        held = {id(slot) for slot in self._lanes}
        joining = [slot for slot in slots if id(slot) not in held]
        if len(slots) > self._capacity:
            self._grow(slots)
            return
        holes = [lane for lane, slot in enumerate(self._lanes) if id(slot) not in wanted]
        while holes and joining:
            self._fill(holes.pop(), joining.pop())
        for slot in joining:
            self._fill(len(self._lanes), slot)
        for lane in sorted(holes, reverse=True):  # fill each hole from the end, which then is the shorter
            last = self._lanes[-1]
            if lane < len(self._lanes) - 1:
                self._fill(lane, last)
            self._lanes.pop()

    def pair(self, module: str) -> LoraPair | None:
        """The lanes' weights of one module, or None if no adapter held so far has it."""
        return self._lane_views.get(module)

    def check_integrity(self) -> None:
        """Every lane holds one adapter's weights, zero-padded, and no adapter has two lanes."""
        assert len({id(slot) for slot in self._lanes}) == len(self._lanes) <= self._capacity
        for lane, slot in enumerate(self._lanes):
            for name, stacked in self._pairs.items():
                pair = slot.modules.get(name)
                rank = pair.rank if pair else 0
                assert not stacked.a[lane, :, rank:].any()
                assert not stacked.b[lane, rank:].any()
                if pair:
                    assert torch.equal(stacked.a[lane, :, :rank], pair.a)
                    assert torch.equal(stacked.b[lane, :rank], pair.b)

    def _grow(self, slots: Sequence[Slot]) -> None:
        """A new stack of twice the lanes; everything is copied once."""
        self._capacity = 1 << (len(slots) - 1).bit_length()
        self._lanes = []
        self._pairs = {}
        for slot in slots:
            self._fill(len(self._lanes), slot)

    def _fill(self, lane: int, slot: Slot) -> None:
        if lane == len(self._lanes):
            self._lanes.append(slot)
        else:
            self._lanes[lane] = slot
        self._add_modules(slot.modules)
        for name, stacked in self._pairs.items():
            pair = slot.modules.get(name)
            rank = pair.rank if pair else 0
            stacked.a[lane, :, rank:] = 0
            stacked.b[lane, rank:] = 0
            if pair:
                stacked.a[lane, :, :rank] = pair.a
                stacked.b[lane, :rank] = pair.b

    def _add_modules(self, modules: Mapping[str, LoraPair]) -> None:
        for name, pair in modules.items():
            if name not in self._pairs:
                self._pairs[name] = LoraPair(
                    pair.a.new_zeros(self._capacity, pair.a.shape[0], self.rank),
                    pair.b.new_zeros(self._capacity, self.rank, pair.b.shape[1]),
                )
