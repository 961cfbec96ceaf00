"""The LoRA operator on one group of linears, in torch, for any device."""

import torch

from serving.lora.groups import Group
from serving.lora.plan import LoraPlan
from serving.lora.slot import LoraModule


def add_lora(y: torch.Tensor, x: torch.Tensor, group: Group, plan: LoraPlan) -> None:
    """y[t] ← gain ⊙ (y[t] + x[t] Aᵀ B) + offset for every token t whose adapter has a module of the group.

    y: [tokens, d_out], changed in place.   x: [tokens, d_in].
    """
    columns = group.columns
    for segment in plan.segments:
        rows = slice(segment.start, segment.end)
        for member in group.members:
            module = segment.slot.modules.get(member)
            if module is not None:
                _apply(y[rows, columns[member]], x[rows], module)


def _apply(y: torch.Tensor, x: torch.Tensor, module: LoraModule) -> None:
    """Applies one module to one segment. y may be float32 (logits) while the weights are not."""
    if y.dtype == module.b.dtype:
        y.addmm_(x @ module.a.T, module.b)
    else:
        y.add_((x @ module.a.T) @ module.b)
    rescale(y, module)


def rescale(y: torch.Tensor, module: LoraModule) -> None:
    """y ← gain ⊙ y + offset, computed in float32.   y: [tokens, d_out], changed in place."""
    if module.gain is not None:
        y.copy_(y.float().mul_(module.gain))
    if module.offset is not None:
        y.copy_(y.float().add_(module.offset))
