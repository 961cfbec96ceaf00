"""The LoRA kernel equals its float32 reference, by popularity, ranks and batch."""

import ctypes
import random

import pytest
import torch

from serving.lora.plan import LoraPlan
from serving.lora.reference import adapted
from serving.native.library import Group, Library
from serving.native.step import ModuleTables, Scratch, StepAdapters
from tests.serving.lora.popularity import BATCHES, MIXES, chosen, make_slot, planned
from tests.serving.native.conftest import TOLERANCE

D_IN = 50
WIDTHS = {"q": 40, "k": 16, "v": 17}
RANKS = (1, 3, 8, 9, 16, 40, 64, 256)


def applied(kernels: Library, y: torch.Tensor, x: torch.Tensor, plan: LoraPlan | None, threads: int) -> None:
    adapters = StepAdapters(plan, ModuleTables({name: i for i, name in enumerate(WIDTHS)}), Scratch(), len(x))
    group = Group(0, len(WIDTHS), (ctypes.c_int64 * 3)(*WIDTHS.values()))
    kernels.apply_adapters(adapters.struct, group, x, y, threads=threads)


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("mix", MIXES)
def test_every_row_gets_its_own_adapter(kernels: Library, rows: int, mix: str) -> None:
    rng = random.Random(f"{mix}{rows}")
    parts = [WIDTHS, {"q": 40}, {"k": 16, "v": 17}]
    slots = [
        make_slot(i, RANKS[i % len(RANKS)], parts[i % 3], d_in=D_IN, dtype=kernels.dtype, scaled=i % 4 == 0)
        for i in range(40)
    ]
    decode = [(slot, 1) for slot in chosen(mix, rows, slots, rng)]
    prefill = [(slot, 37) for slot in chosen("zipf", 3, slots, rng)]
    owners, plan = planned(decode + prefill)
    x = torch.randn(len(owners), D_IN, generator=torch.Generator().manual_seed(rows)).to(kernels.dtype)
    y = torch.randn(len(owners), sum(WIDTHS.values())).to(kernels.dtype)
    own = y.split(list(WIDTHS.values()), dim=1)
    expected = torch.cat(
        [
            adapted(part, x, [slot.modules.get(name) if slot else None for slot in owners])
            for name, part in zip(WIDTHS, own, strict=True)
        ],
        dim=1,
    )

    applied(kernels, y, x, plan, threads=1 + rows % 2)

    assert (y.float() - expected).abs().max() <= TOLERANCE[kernels.dtype] * max(1.0, float(expected.abs().max()))


def test_without_an_adapter_nothing_changes(kernels: Library) -> None:
    y = torch.randn(4, sum(WIDTHS.values())).to(kernels.dtype)
    before = y.clone()

    applied(kernels, y, torch.randn(4, D_IN).to(kernels.dtype), None, threads=2)

    assert torch.equal(y, before)


def test_an_evicted_slot_is_not_kept_alive_by_its_addresses(kernels: Library) -> None:
    slot = make_slot(0, 8, WIDTHS, d_in=D_IN, dtype=kernels.dtype)
    tables = ModuleTables({name: i for i, name in enumerate(WIDTHS)})
    tables.of(slot)
    assert len(tables) == 1

    del slot

    assert len(tables) == 0
