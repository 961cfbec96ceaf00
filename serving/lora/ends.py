"""The adapters of a step at the two ends of a model: on embedded tokens and on logits."""

import torch
from torch.nn.functional import linear

from serving.lora.groups import Group
from serving.lora.operator import add_lora, rescale
from serving.lora.plan import LoraPlan
from serving.lora.slot import EMBEDDING, HEAD


def adapt_embedding(hidden: torch.Tensor, token_ids: torch.Tensor, lora: LoraPlan) -> None:
    """hidden[t] ← gain ⊙ (hidden[t] + A[:, id of t]ᵀ B) + offset, or the adapter's own row for the id, if it has one.

    hidden: [tokens, d], changed in place.   token_ids: [tokens].   A: [rank, vocabulary].   B: [rank, d].
    """
    for segment in lora.segments:
        module = segment.slot.modules.get(EMBEDDING)
        if module is None:
            continue
        rows, ids = hidden[segment.start : segment.end], token_ids[segment.start : segment.end]
        if module.weight is not None:
            rows.copy_(module.weight.index_select(0, ids))
        else:
            rows.addmm_(module.a.index_select(1, ids).T, module.b)
            rescale(rows, module)


def adapt_head(y: torch.Tensor, x: torch.Tensor, lora: LoraPlan, bias: torch.Tensor | None) -> None:
    """The LoRA operator at the head. A whole head of an adapter's own replaces the base's.

    y: [rows, vocabulary], changed in place.   x: [rows, d].   bias: of the base's head, [vocabulary].
    """
    add_lora(y, x, Group.single(HEAD, y.shape[1]), lora)
    for segment in lora.segments:
        module = segment.slot.modules.get(HEAD)
        if module is not None and module.weight is not None:
            rows = slice(segment.start, segment.end)
            y[rows] = linear(x[rows], module.weight, bias)
            rescale(y[rows], module)
