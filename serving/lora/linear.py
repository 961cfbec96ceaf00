"""Replacements for a Hugging Face model's linears, embedding and head that add the running step's adapters."""

import torch
from torch import nn

from serving.lora.ends import adapt_embedding, adapt_head
from serving.lora.groups import Group
from serving.lora.operator import add_lora
from serving.lora.plan import LoraPlan


class LoraStep:
    """The running step's plans, which all modules of one model share.

    plan: of all tokens; None if the step has no adapter.   head_plan: of the rows whose logits are wanted; None if no
    adapter of theirs changes the head.
    """

    def __init__(self) -> None:
        self.plan: LoraPlan | None = None
        self.head_plan: LoraPlan | None = None


class LoraLinear(nn.Module):
    """y = x W^T + bias, then += x A B per token. x: [1, tokens, d_in].

    Replaces an nn.Linear and shares its weight. `module` is the name by which adapters refer to it.
    """

    def __init__(self, base: nn.Linear, module: str, step: LoraStep) -> None:
        super().__init__()
        self.weight = base.weight
        self.bias = base.bias
        self.in_features = base.in_features
        self.out_features = base.out_features
        self._group = Group.single(module, base.out_features)
        self._step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, tokens, d_in] → [1, tokens, d_out]."""
        y = nn.functional.linear(x, self.weight, self.bias)
        plan = self._step.plan
        if plan is not None:
            add_lora(y.view(-1, self.out_features), x.reshape(-1, self.in_features), self._group, plan)
        return y


class LoraEmbedding(nn.Module):
    """Looks up rows of the weight, then applies the adapters. ids: [1, tokens]. Replaces an nn.Embedding."""

    def __init__(self, base: nn.Embedding, step: LoraStep) -> None:
        super().__init__()
        self.weight = base.weight
        self._step = step

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[1, tokens] → [1, tokens, d]."""
        hidden = nn.functional.embedding(ids, self.weight)
        if self._step.plan is not None:
            adapt_embedding(hidden.view(-1, hidden.shape[-1]), ids.view(-1), self._step.plan)
        return hidden


class LoraHead(nn.Module):
    """y = x W^T + bias, then the adapters. x: [1, wanted rows, d_in]. Replaces an nn.Linear."""

    def __init__(self, base: nn.Linear, step: LoraStep) -> None:
        super().__init__()
        self.weight = base.weight
        self.bias = base.bias
        self._step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, wanted rows, d_in] → [1, wanted rows, vocabulary]."""
        y = nn.functional.linear(x, self.weight, self.bias)
        if self._step.head_plan is not None:
            adapt_head(y.view(-1, y.shape[-1]), x.reshape(-1, x.shape[-1]), self._step.head_plan, self.bias)
        return y
