"""The LoRA kernels equal the float32 reference, by popularity, ranks and batch."""

import random

import pytest
import torch

from serving.gpu.lora import LoraKernels
from serving.gpu.tiles import LARGE, SMALL, LoraTile, lora_tiles
from serving.lora.groups import Group
from serving.lora.plan import LoraPlan
from serving.lora.reference import adapted
from serving.lora.slot import LoraModule, Slot
from tests.serving.gpu.machine import DEVICE
from tests.serving.lora.popularity import BATCHES, MIXES, chosen, make_slot, planned

RANKS = (1, 3, 16, 256, 40, 8, 64, 17, 128, 5)
WIDTHS = {"q": 160, "k": 48, "v": 24}
GROUP = Group("q+k+v", tuple(WIDTHS), tuple(WIDTHS.values()))
UNUSED: LoraTile = (0, 0, 0)


def on_device(slot: Slot) -> Slot:
    def moved(each: torch.Tensor | None) -> torch.Tensor | None:
        return None if each is None else each.to(DEVICE)

    modules = {
        name: LoraModule(m.a.to(DEVICE), m.b.to(DEVICE), moved(m.gain), moved(m.offset))
        for name, m in slot.modules.items()
    }
    return Slot(slot.digest, modules, slot.nbytes)


def slots_of(count: int, d_in: int, dtype: torch.dtype) -> list[Slot]:
    """Mixed ranks; every third with gains and offsets, every fifth without one of the modules."""
    return [
        on_device(
            make_slot(
                number,
                RANKS[number % len(RANKS)],
                {name: width for name, width in WIDTHS.items() if number % 5 or name != "k"},
                d_in=d_in,
                dtype=dtype,
                scaled=number % 3 == 0,
            )
        )
        for number in range(count)
    ]


def check(
    owners: list[Slot | None],
    plan: LoraPlan,
    *,
    d_in: int,
    dtype: torch.dtype,
    tile_tokens: int = SMALL,
    unused: int = 2,
) -> None:
    """The kernels' result for these tokens next to the reference's, member by member."""
    rng = torch.Generator().manual_seed(len(owners))
    x = torch.randn(len(owners), d_in, generator=rng).to(dtype).to(DEVICE)
    y = torch.randn(len(owners), sum(GROUP.widths), generator=rng).to(dtype).to(DEVICE)
    expected = {
        name: adapted(y[:, columns], x, [slot.modules.get(name) if slot else None for slot in owners])
        for name, columns in GROUP.columns.items()
    }
    kernels = LoraKernels([Group.single("o", 24), GROUP], DEVICE)
    tiles = [*lora_tiles(plan, kernels.table.row, tile_tokens), *[UNUSED] * unused]

    kernels.add(y, x, GROUP, torch.tensor(tiles, device=DEVICE), tile_tokens)

    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for name, columns in GROUP.columns.items():
        worst = (y[:, columns].float() - expected[name]).abs().max().item()
        assert worst <= tolerance * max(1.0, expected[name].abs().max().item()), name
    kernels.table.check_integrity()


def check_mix(mix: str, rows: int, dtype: torch.dtype) -> None:
    rng = random.Random(f"{mix}{rows}")
    slots = slots_of(12, 40, dtype)
    owners, plan = planned([(slot, 1) for slot in chosen(mix, rows, slots, rng)] + [(slots[1], 3)])
    assert plan is not None
    check(owners, plan, d_in=40, dtype=dtype)


@pytest.mark.parametrize("mix", MIXES)
def test_every_token_of_a_small_batch_gets_its_own_adapter(mix: str) -> None:
    check_mix(mix, 7, torch.float32)


@pytest.mark.full
@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_every_token_gets_its_own_adapter(mix: str, rows: int, dtype: torch.dtype) -> None:
    check_mix(mix, rows, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_prompts_of_several_adapters_and_of_the_base_share_a_step(dtype: torch.dtype) -> None:
    slots = slots_of(4, 40, dtype)
    owners, plan = planned([(slots[0], 1), (None, 1), (slots[1], 70), (None, 5), (slots[3], 33)])
    assert plan is not None

    check(owners, plan, d_in=40, dtype=dtype, tile_tokens=LARGE)


@pytest.mark.parametrize("d_in", [2048, pytest.param(8200, marks=pytest.mark.full)])
def test_wide_inputs_are_summed_in_parts(d_in: int) -> None:
    slots = slots_of(3, d_in, torch.float32)
    owners, plan = planned([(slots[0], 1), (slots[1], 2)])
    assert plan is not None

    check(owners, plan, d_in=d_in, dtype=torch.float32)


def test_a_step_of_unused_tiles_changes_nothing() -> None:
    kernels = LoraKernels([GROUP], DEVICE)
    y = torch.randn(4, sum(GROUP.widths), device=DEVICE)
    before = y.clone()

    kernels.add(y, torch.randn(4, 40, device=DEVICE), GROUP, torch.tensor([UNUSED] * 4, device=DEVICE), SMALL)

    assert torch.equal(y, before)


def test_a_module_of_rank_zero_still_scales_and_shifts() -> None:
    gain, offset = torch.full((48,), 2.0, device=DEVICE), torch.full((48,), 0.5, device=DEVICE)
    empty = LoraModule(torch.zeros(0, 40, device=DEVICE), torch.zeros(0, 48, device=DEVICE), gain, offset)
    other = on_device(make_slot(1, 4, {"q": 160}, d_in=40)).modules["q"]
    slot = Slot(make_slot(2, 1, {"q": 1}, d_in=1).digest, {"q": other, "k": empty}, 1)
    owners, plan = planned([(slot, 2), (None, 1)])
    assert plan is not None

    check(owners, plan, d_in=40, dtype=torch.float32)
