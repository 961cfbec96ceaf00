"""RMS normalisation."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import rms_norm


@dataclass(frozen=True, slots=True)
class Norm:
    """y = weight * x / sqrt(mean(x²) + eps)."""

    weight: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: Any) -> "Norm":
        return cls(module.weight.data, module.variance_epsilon)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return rms_norm(x, self.weight.shape, self.weight, self.eps)
