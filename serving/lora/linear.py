"""The base model's linear layer, which adds the adapters of the step that is running."""

import torch
from torch import nn

from serving.lora.groups import Group
from serving.lora.operator import add_lora
from serving.lora.plan import LoraPlan


class LoraStep:
    """What every LoraLinear of one model reads: the plan of the running step, None when it has no adapter."""

    def __init__(self) -> None:
        self.plan: LoraPlan | None = None


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
