"""The slot table tells the kernels where living adapters lie, and nothing of dead ones."""

import gc

import pytest
import torch

from serving.gpu.slot_table import SlotTable
from serving.lora.groups import Group
from serving.lora.slot import LoraModule, Slot
from tests.serving.gpu.machine import DEVICE
from tests.serving.gpu.test_lora_kernels import on_device
from tests.serving.lora.popularity import make_slot

GROUPS = (Group("q+v", ("q", "v"), (16, 8)), Group.single("o", 24))


def slot_of(number: int, rank: int = 4, *, scaled: bool = False) -> Slot:
    return on_device(make_slot(number, rank, {"q": 16, "o": 24}, d_in=8, scaled=scaled))


def test_a_row_has_the_rank_and_the_addresses_of_every_module() -> None:
    table, slot = SlotTable(GROUPS, DEVICE), slot_of(1, scaled=True)

    row = table.tensor[table.row(slot)].tolist()

    q, o = slot.modules["q"], slot.modules["o"]
    assert q.gain is not None
    assert q.offset is not None
    assert row[0] == [
        [4, q.a.data_ptr(), q.b.data_ptr(), q.gain.data_ptr(), q.offset.data_ptr()],
        [-1, 0, 0, 0, 0],
    ]
    assert row[1][0][:3] == [4, o.a.data_ptr(), o.b.data_ptr()]
    assert row[1][1] == [-1, 0, 0, 0, 0]


def test_a_slot_keeps_its_row_and_gives_it_up_with_its_life() -> None:
    table, kept, dying = SlotTable(GROUPS, DEVICE), slot_of(1), slot_of(2)
    rows = [table.row(kept), table.row(dying)]
    assert [table.row(kept), table.row(dying)] == rows
    assert len(set(rows)) == 2

    del dying
    gc.collect()

    table.check_integrity()
    assert table.row(slot_of(3)) == rows[1]
    assert table.row(kept) == rows[0]


def test_more_slots_than_rows_make_the_table_grow() -> None:
    table = SlotTable(GROUPS, DEVICE)
    slots = [slot_of(number) for number in range(300)]

    rows = [table.row(slot) for slot in slots]

    assert len(set(rows)) == 300
    assert table.generation == 1
    for slot, row in zip(slots, rows, strict=True):
        assert table.tensor[row, 0, 0, 1] == slot.modules["q"].a.data_ptr()
    table.check_integrity()


def test_a_larger_rank_makes_room_for_it() -> None:
    table = SlotTable(GROUPS, DEVICE)
    table.row(slot_of(1, rank=64))
    assert (table.width, table.generation) == (64, 0)

    table.row(slot_of(2, rank=200))

    assert (table.width, table.generation) == (256, 1)
    table.check_integrity()


def test_matrices_that_kernels_cannot_read_are_our_own_mistake() -> None:
    module = LoraModule(torch.zeros(8, 4, device=DEVICE).T, torch.zeros(4, 16, device=DEVICE))

    with pytest.raises(AssertionError, match="contiguous rows"):
        SlotTable(GROUPS, DEVICE).row(Slot(slot_of(1).digest, {"q": module}, 1))
