"""A step in the form that the kernels read: cache places and pages of its tokens, and its adapters."""

from collections.abc import Mapping, Sequence
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from serving.kv.pages import PAGE_TOKENS, cache_row, pages_for
from serving.lora.plan import LoraPlan
from serving.lora.slot import LoraModule, Slot
from serving.native.library import Adapters, Tokens

_PIECE_TOKENS = 32
"""The most tokens of a piece: an adapter's tokens are cut into pieces, which the threads share."""
_GROUP_MEMBERS = 3

Addresses = NDArray[np.int64]


class StepTokens:
    """The step's tokens for the kernels. Keeps alive what `struct` points to."""

    def __init__(
        self,
        positions: torch.Tensor,
        page_tables: Sequence[Sequence[int]],
        spans: Sequence[tuple[int, int]],
        rotary: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        """positions: [tokens].   rotary: cos and sin by position (serving.native.rotary)."""
        used = [table[: pages_for(end)] for table, (_, end) in zip(page_tables, spans, strict=True)]
        self._pages = np.fromiter(chain.from_iterable(used), dtype=np.int32)
        table_starts = np.cumsum([0, *map(len, used[:-1])])
        sequence = np.repeat(np.arange(len(spans)), [end - start for start, end in spans])
        self._positions: Addresses = positions.numpy()
        first_page = table_starts[sequence]
        page = self._pages[first_page + self._positions // PAGE_TOKENS].astype(np.int64)
        self._stored_at = cache_row(page, self._positions)
        self._tables = self._pages.ctypes.data + self._pages.itemsize * first_page
        self._rotary = rotary
        self.struct = Tokens(
            len(self._positions),
            self._positions.ctypes.data,
            self._stored_at.ctypes.data,
            self._tables.ctypes.data,
            rotary[0].data_ptr(),
            rotary[1].data_ptr(),
        )


class ModuleTables:
    """The addresses of the adapters' weights by module number, kept as long as the slot exists."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        """numbers: of every module inside the decoder layers, by name."""
        self._numbers = numbers
        self._of_slot: WeakKeyDictionary[Slot, tuple[Addresses, int]] = WeakKeyDictionary()

    def __len__(self) -> int:
        """The number of existing slots that have a table."""
        return len(self._of_slot)

    def of(self, slot: Slot) -> tuple[Addresses, int]:
        """The slot's table [modules, 5] and its address: a, b, gain, offset, rank; zeros where it has no module."""
        known = self._of_slot.get(slot)
        if known is None:
            table = np.zeros((len(self._numbers), 5), dtype=np.int64)
            for name, module in slot.modules.items():
                if name in self._numbers:
                    table[self._numbers[name]] = _addresses(module)
            known = self._of_slot[slot] = table, table.ctypes.data
        return known


def _addresses(module: LoraModule) -> tuple[int, int, int, int, int]:
    gain = 0 if module.gain is None else module.gain.data_ptr()
    offset = 0 if module.offset is None else module.offset.data_ptr()
    return module.a.data_ptr(), module.b.data_ptr(), gain, offset, module.rank


class StepAdapters:
    """The step's adapters for the kernels. Keeps alive what `struct` points to."""

    def __init__(self, plan: LoraPlan | None, tables: ModuleTables, scratch: "Scratch", tokens: int) -> None:
        segments = () if plan is None else plan.segments
        self._tables = [tables.of(segment.slot) for segment in segments]
        pieces = [
            (address, start, min(segment.end, start + _PIECE_TOKENS))
            for segment, (_, address) in zip(segments, self._tables, strict=True)
            for start in range(segment.start, segment.end, _PIECE_TOKENS)
        ]
        self._pieces = np.array(pieces, dtype=np.int64)
        most_rank = max((segment.slot.rank for segment in segments), default=0)
        self._hidden = scratch.floats(tokens * _GROUP_MEMBERS * most_rank)
        self.struct = Adapters(self._pieces.ctypes.data, len(pieces), self._hidden.data_ptr(), most_rank)


class Scratch:
    """Memory that every step reuses and that grows to the largest step so far."""

    def __init__(self) -> None:
        self._floats = torch.empty(0)

    def floats(self, count: int) -> torch.Tensor:
        """At least `count` float32 numbers, uninitialised."""
        if count > len(self._floats):
            self._floats = torch.empty(1 << (count - 1).bit_length())
        return self._floats
