"""The weights of one adapter version on the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from serving.types import AdapterDigest

EMBEDDING, HEAD = "embed_tokens", "lm_head"
"""The keys of the embedding and the head among a slot's modules, whatever the base calls them."""


@dataclass(frozen=True, slots=True)
class LoraModule:
    """One adapter's change to the output y of one linear layer with input x: y ← gain ⊙ (y + x Aᵀ B) + offset.

    a: [rank, d_in].   b: [rank, d_out], the scale folded in.   gain, offset: [d_out] in float32; None means 1 and 0.
    A plain LoRA has neither; DoRA's magnitudes are a gain, biases an offset. A module without a LoRA has zero a and b
    of rank 1, because the kernels do not support rank 0.

    weight: only for the embedding and the head: a whole weight that replaces the base's, in its layout [vocabulary, d].
    """

    a: torch.Tensor
    b: torch.Tensor
    gain: torch.Tensor | None = None
    offset: torch.Tensor | None = None
    weight: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        """Rows of A."""
        return self.a.shape[0]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Slot:
    """An adapter version's weights by module name, in the model's dtype on the model's device.   rank: the largest."""

    digest: AdapterDigest
    modules: Mapping[str, LoraModule]
    nbytes: int
    rank: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", max(module.rank for module in self.modules.values()))
