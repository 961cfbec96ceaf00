"""The LoRA operator equals its float32 reference, by popularity, ranks and batch."""

import random

import pytest
import torch

from serving.lora.groups import Group
from serving.lora.operator import add_lora
from serving.lora.plan import LoraPlan, Segment
from serving.lora.reference import adapted
from tests.serving.lora.popularity import BATCHES, MIXES, RANKS, chosen, make_slot, planned

D_IN, D_OUT = 24, 40
M = Group.single("m", D_OUT)


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2)])
def test_every_row_gets_its_own_adapter(rows: int, mix: str, dtype: torch.dtype, tolerance: float) -> None:
    rng = random.Random(f"{mix}{rows}")
    slots = [
        make_slot(i, RANKS[i % len(RANKS)], {"m": D_OUT}, d_in=D_IN, dtype=dtype, scaled=i % 3 == 0) for i in range(40)
    ]
    decode = [(slot, 1) for slot in chosen(mix, rows, slots, rng)]
    prefill = [(slot, 5) for slot in chosen("zipf", 3, slots, rng)]
    owners, plan = planned(decode + prefill)
    x = torch.randn(len(owners), D_IN, generator=torch.Generator().manual_seed(rows)).to(dtype)
    y = torch.randn(len(owners), D_OUT).to(dtype)
    expected = adapted(y, x, [slot.modules["m"] if slot else None for slot in owners])

    if plan is not None:
        add_lora(y, x, M, plan)

    assert (y.float() - expected).abs().max().item() <= tolerance * max(1.0, expected.abs().max().item())


def test_no_adapter_means_no_plan() -> None:
    assert LoraPlan.of([]) is None


def test_neighbouring_rows_of_one_adapter_are_one_segment() -> None:
    slot, other = (make_slot(i, 4, {"m": D_OUT}, d_in=D_IN) for i in range(2))

    plan = LoraPlan.of([Segment(slot, 0, 1), Segment(slot, 1, 3), Segment(other, 3, 4), Segment(slot, 6, 7)])

    assert plan is not None
    assert plan.segments == (Segment(slot, 0, 3), Segment(other, 3, 4), Segment(slot, 6, 7))


def test_a_fused_group_equals_its_modules_one_by_one() -> None:
    widths = [{"m": D_OUT}, {"n": 2 * D_OUT}, {"m": D_OUT, "n": 2 * D_OUT}]
    slots = [
        make_slot(200 + i, rank, each, d_in=D_IN) for i, (rank, each) in enumerate(zip((8, 3, 12), widths, strict=True))
    ]
    owners, plan = planned([(slots[0], 2), (slots[1], 1), (slots[2], 2)])
    assert plan is not None
    x = torch.randn(5, D_IN)
    fused = torch.zeros(5, 3 * D_OUT)

    add_lora(fused, x, Group("m+n", ("m", "n"), (D_OUT, 2 * D_OUT)), plan)

    for module, part in (("m", fused[:, :D_OUT]), ("n", fused[:, D_OUT:])):
        expected = adapted(torch.zeros_like(part), x, [slot.modules.get(module) if slot else None for slot in owners])
        assert torch.allclose(part, expected, atol=1e-5)


def test_modules_an_adapter_does_not_have_are_left_alone() -> None:
    slot = make_slot(100, 8, {"n": D_OUT}, d_in=D_IN)
    _, plan = planned([(slot, 3)])
    assert plan is not None
    y = torch.ones(3, D_OUT)

    add_lora(y, torch.randn(3, D_IN), M, plan)

    assert torch.equal(y, torch.ones(3, D_OUT))
