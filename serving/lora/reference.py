"""The LoRA operator written as its formula, in float32: slow, and the oracle for every other implementation."""

from collections.abc import Sequence

import torch

from serving.lora.slot import LoraModule


def adapted(y: torch.Tensor, x: torch.Tensor, modules: Sequence[LoraModule | None]) -> torch.Tensor:
    """[tokens, d_out] in float32: row t is gain ⊙ (y[t] + x[t] Aᵀ B) + offset with modules[t], or y[t] if it is None.

    y: [tokens, d_out].   x: [tokens, d_in].   One module per token.
    """
    out = y.float().clone()
    for token, module in enumerate(modules):
        if module is not None:
            out[token] += x[token].float() @ module.a.float().T @ module.b.float()
            if module.gain is not None:
                out[token] *= module.gain
            if module.offset is not None:
                out[token] += module.offset
    return out
