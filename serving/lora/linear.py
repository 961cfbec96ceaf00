"""The base model's linear layers, embedding and head, which add the adapters of the step that is running."""

import torch
from torch import nn

from serving.lora.ends import adapt_embedding, adapt_head
from serving.lora.groups import Group
from serving.lora.operator import add_lora
from serving.lora.plan import LoraPlan


class LoraStep:
    """What all of these in one model read: the plan of the running step, None when it has no adapter.

    head_plan: of the rows whose logits are wanted, None when none of their adapters changes the head.
    """

    def __init__(self) -> None:
        self.plan: LoraPlan | None = None
        self.head_plan: LoraPlan | None = None


class LoraLinear(nn.Module):
    """y = x W^T + bias, then += x A B per token. x: [1, tokens, d_in].

    Replaces an nn.Linear and shares its weight. `module` is the name adapters use for it.
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
        y = nn.functional.linear(x, self.weight, self.bias)
        plan = self._step.plan
        if plan is not None:
            add_lora(y.view(-1, self.out_features), x.reshape(-1, self.in_features), self._group, plan)
        return y


class LoraEmbedding(nn.Module):
    """The rows of the weight, then what adapters do to them. ids: [1, tokens]. Replaces an nn.Embedding."""

    def __init__(self, base: nn.Embedding, step: LoraStep) -> None:
        super().__init__()
        self.weight = base.weight
        self._step = step

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.embedding(ids, self.weight)
        if self._step.plan is not None:
            adapt_embedding(hidden.view(-1, hidden.shape[-1]), ids.view(-1), self._step.plan)
        return hidden


class LoraHead(nn.Module):
    """y = x W^T + bias, then what adapters do to it. x: [1, wanted rows, d_in]. Replaces an nn.Linear."""

    def __init__(self, base: nn.Linear, step: LoraStep) -> None:
        super().__init__()
        self.weight = base.weight
        self.bias = base.bias
        self._step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.linear(x, self.weight, self.bias)
        if self._step.head_plan is not None:
            adapt_head(y.view(-1, y.shape[-1]), x.reshape(-1, x.shape[-1]), self._step.head_plan, self.bias)
        return y
