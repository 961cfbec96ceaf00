"""Tests the LoRA kernels against the formula on a small input: a compiler may fail here, or compile wrongly."""

import torch

from serving.gpu.lora import LoraKernels
from serving.gpu.tiles import SMALL
from serving.lora.groups import Group
from serving.lora.reference import adapted
from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest

_TOKENS, _D_IN, _D_OUT, _RANK = 3, 64, 48, 5


def is_right(device: torch.device) -> bool:
    """Whether the kernels agree with the reference. Raises what Triton raises if it cannot compile."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device)

    module = LoraModule(random(_RANK, _D_IN), random(_RANK, _D_OUT), random(_D_OUT), random(_D_OUT))
    slot = Slot(AdapterDigest("trial"), {"trial": module}, 0)
    group = Group.single("trial", _D_OUT)
    kernels = LoraKernels([group], device)
    x, y = random(_TOKENS, _D_IN), random(_TOKENS, _D_OUT)
    expected = adapted(y, x, [module, module, None])

    kernels.add(y, x, group, torch.tensor([[kernels.table.row(slot), 0, 2]], device=device), SMALL)

    return bool((y - expected).abs().max() <= 1e-5 * expected.abs().max())
