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
        """From a Hugging Face norm. Copies the weight, which is a view of the mapped file and would keep it mapped."""
        return cls(module.weight.data.clone(), module.variance_epsilon)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., d] → y: [..., d]."""
        return rms_norm(x, self.weight.shape, self.weight, self.eps)
