"""A step in the kernels' form."""

import ctypes

import torch

from serving.kv.pages import PAGE_TOKENS
from serving.lora.plan import LoraPlan, Segment
from serving.native.step import ModuleTables, Scratch, StepAdapters, StepTokens
from tests.serving.lora.popularity import make_slot


def numbers(address: int, count: int, kind: type = ctypes.c_int64) -> list[int]:
    return list((kind * count).from_address(address))  # type: ignore[operator]


def test_tokens_are_stored_in_their_own_pages() -> None:
    rotary = torch.zeros(64, 8), torch.zeros(64, 8)
    tokens = StepTokens(torch.tensor([17, 0, 1, 2]), [[5, 3], [9]], [(17, 18), (0, 3)], rotary)
    struct = tokens.struct

    assert struct.count == 4
    assert numbers(struct.positions, 4) == [17, 0, 1, 2]
    assert numbers(struct.stored_at, 4) == [3 * PAGE_TOKENS + 1, *range(9 * PAGE_TOKENS, 9 * PAGE_TOKENS + 3)]
    tables = numbers(struct.pages, 4)
    assert numbers(tables[0], 2, ctypes.c_int32) == [5, 3]
    assert [numbers(table, 1, ctypes.c_int32) for table in tables[1:]] == [[9]] * 3


def test_an_adapters_tokens_are_cut_into_pieces_of_at_most_32() -> None:
    slot = make_slot(0, 4, {"q": 8}, d_in=8)
    tables = ModuleTables({"q": 0, "k": 1})
    plan = LoraPlan((Segment(slot, 2, 2 + 70),))

    adapters = StepAdapters(plan, tables, Scratch(), 100)

    _, address = tables.of(slot)
    pieces = numbers(adapters.struct.pieces, 9)
    assert pieces == [address, 2, 34, address, 34, 66, address, 66, 72]
    assert (adapters.struct.count, adapters.struct.most_rank) == (3, 4)


def test_a_table_has_zeros_for_modules_that_the_adapter_lacks() -> None:
    slot = make_slot(0, 4, {"q": 8, "elsewhere": 8}, d_in=8)
    module = slot.modules["q"]

    table, _ = ModuleTables({"k": 0, "q": 1}).of(slot)

    assert table.tolist() == [[0] * 5, [module.a.data_ptr(), module.b.data_ptr(), 0, 0, 4]]


def test_a_step_without_adapters_has_no_pieces() -> None:
    adapters = StepAdapters(None, ModuleTables({}), Scratch(), 5)

    assert adapters.struct.count == 0


def test_scratch_memory_grows_and_is_reused() -> None:
    scratch = Scratch()
    first = scratch.floats(100)

    assert scratch.floats(50).data_ptr() == first.data_ptr()
    assert len(scratch.floats(1000)) >= 1000
