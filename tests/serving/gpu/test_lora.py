"""How the LoRA kernels are launched for a group. What they compute by popularity and rank: test_lora_kernels."""

import pytest
import torch
import triton.language as tl
from triton import knobs

from serving.gpu.lora import LoraKernels, dot_type
from serving.gpu.tiles import SMALL
from serving.lora.groups import Group
from serving.lora.reference import adapted
from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest
from tests.serving.gpu.machine import DEVICE


def test_matrix_units_multiply_in_the_tensors_own_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knobs.runtime, "interpret", False)
    assert (dot_type(torch.bfloat16), dot_type(torch.float32)) == (tl.bfloat16, tl.float32)

    monkeypatch.setattr(knobs.runtime, "interpret", True)
    assert dot_type(torch.bfloat16) == tl.float32


@pytest.mark.parametrize("d_in", [64, 2048, 8192], ids=["one part", "two parts", "eight parts"])
def test_wide_inputs_are_split_without_changing_the_sum(d_in: int) -> None:
    generator = torch.Generator().manual_seed(d_in)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(DEVICE)

    group = Group("first", ("first", "second"), (32, 16))
    modules = {
        "first": LoraModule(random(5, d_in), random(5, 32)),
        "second": LoraModule(random(5, d_in), random(5, 16)),
    }
    kernels = LoraKernels([group], DEVICE)
    slot = Slot(AdapterDigest("wide"), modules, 0)
    x, y = random(2, d_in), random(2, 48)
    expected = torch.cat(
        [adapted(y[:, :32], x, [modules["first"]] * 2), adapted(y[:, 32:], x, [modules["second"]] * 2)], 1
    )

    kernels.add(y, x, group, torch.tensor([[kernels.table.row(slot), 0, 2]], device=DEVICE), SMALL)

    assert (y - expected).abs().max() <= 1e-5 * expected.abs().max()
