"""The LoRA operator as the formula says it, in float32: slow, obvious, the oracle of every other implementation."""

from collections.abc import Sequence

import torch

from serving.lora.slot import LoraPair


def lora_delta(x: torch.Tensor, pairs: Sequence[LoraPair | None], d_out: int) -> torch.Tensor:
    """[tokens, d_out] in float32: row t is x[t] @ pairs[t].a @ pairs[t].b, or zero where pairs[t] is None.

    x: [tokens, d_in]; one pair per token.
    """
    delta = torch.zeros(x.shape[0], d_out, dtype=torch.float32, device=x.device)
    for token, pair in enumerate(pairs):
        if pair is not None:
            delta[token] = x[token].float() @ pair.a.float() @ pair.b.float()
    return delta
