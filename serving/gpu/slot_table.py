"""The table from which the kernels read adapters: addresses and ranks of all modules of every slot in use."""

import weakref
from collections.abc import Sequence

import torch

from serving.lora.groups import Group
from serving.lora.slot import LoraModule, Slot

FIELDS = 5
"""Per module: rank (-1: the adapter has no such module), and the addresses of A, B, gain and offset (0: none)."""
_ALIGN_BYTES = 16
_FIRST_ROWS = 256
_FIRST_WIDTH = 64


class SlotTable:
    """tensor: [rows, groups, members, FIELDS] int64 on the device, one row per slot.   width: at least every rank.

    A slot gets a row when a step first uses it, and keeps it as long as the slot exists. Rows are written in stream
    order, so a row is not overwritten while a running step reads it. Owned by the engine thread.

    `generation` increases when `tensor` or `width` is replaced by a larger one; graphs captured before must be dropped.
    """

    def __init__(self, groups: Sequence[Group], device: torch.device) -> None:
        self._groups = tuple(groups)
        self._members = max(len(group.members) for group in groups)
        self._rows: weakref.WeakKeyDictionary[Slot, int] = weakref.WeakKeyDictionary()
        self._free = list(range(_FIRST_ROWS - 1, -1, -1))
        self.width = _FIRST_WIDTH
        self.generation = 0
        shape = (_FIRST_ROWS, len(self._groups), self._members, FIELDS)
        self.tensor = torch.full(shape, -1, dtype=torch.int64, device=device)

    @property
    def members(self) -> int:
        """The number of modules per group in the table; a group may have fewer."""
        return self._members

    def row(self, slot: Slot) -> int:
        """The number of the slot's row, which is written now if the slot has none yet."""
        row = self._rows.get(slot)
        if row is None:
            self._grow_for(slot.rank)
            row = self._free.pop()
            self.tensor[row].copy_(torch.tensor(self._fields(slot), dtype=torch.int64).view(self.tensor.shape[1:]))
            self._rows[slot] = row
            weakref.finalize(slot, self._free.append, row).atexit = False
        return row

    def check_integrity(self) -> None:
        """Every row is free or belongs to exactly one existing slot."""
        used = list(self._rows.values())
        assert sorted(used + self._free) == list(range(self.tensor.shape[0]))
        assert all(slot.rank <= self.width for slot in self._rows)

    def _grow_for(self, rank: int) -> None:
        if not self._free:
            rows = self.tensor.shape[0]
            self.tensor = torch.cat((self.tensor, torch.full_like(self.tensor, -1)))
            self._free += range(2 * rows - 1, rows - 1, -1)
            self.generation += 1
        if rank > self.width:
            self.width = 1 << (rank - 1).bit_length()
            self.generation += 1

    def _fields(self, slot: Slot) -> list[int]:
        fields: list[int] = []
        for group in self._groups:
            for member in group.members:
                fields += _fields(slot.modules.get(member))
            fields += _fields(None) * (self._members - len(group.members))
        return fields


def _fields(module: LoraModule | None) -> list[int]:
    if module is None:
        return [-1, 0, 0, 0, 0]
    tensors = (module.a, module.b, module.gain, module.offset)
    addresses = [0 if each is None else each.data_ptr() for each in tensors]
    for tensor, address in zip(tensors, addresses, strict=True):
        assert tensor is None or tensor.is_contiguous(), "the kernels read contiguous rows"
        assert address % _ALIGN_BYTES == 0, "the kernels read 16 bytes at a time"
    return [module.rank, *addresses]
