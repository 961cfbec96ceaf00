"""One adapter on the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from serving.types import AdapterDigest


@dataclass(frozen=True, slots=True)
class LoraPair:
    """a: [d_in, rank], b: [rank, d_out] with the scale folded in."""

    a: torch.Tensor
    b: torch.Tensor

    @property
    def rank(self) -> int:
        return self.a.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """An adapter version's weights by module name, in the model's dtype on the model's device.   rank: the largest."""

    digest: AdapterDigest
    modules: Mapping[str, LoraPair]
    nbytes: int
    rank: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", max(pair.rank for pair in self.modules.values()))
