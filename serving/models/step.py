"""What one step of a base model computes: its tokens, and whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from serving.kv.cache import KvCache, LayerShape
from serving.lora.groups import Group
from serving.lora.plan import LoraPlan
from serving.models.attention import AttentionPlan, plan_attention


@dataclass(frozen=True)
class Step:
    """One step's tokens as one packed row, and whose they are.

    token_ids, positions: [tokens].   last: the tokens whose logits are wanted; None means all of them.
    page_tables, spans: of each sequence, in row order: its pages, and which of its tokens (start, end) are computed.
    decode_rows: so many of the first sequences have one new token each.
    lora: segments of the tokens.   head_lora: segments of the wanted rows, of adapters that change the head.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor | None
    page_tables: Sequence[Sequence[int]]
    spans: Sequence[tuple[int, int]]
    decode_rows: int
    lora: LoraPlan | None
    head_lora: LoraPlan | None = None

    @cached_property
    def attention(self) -> AttentionPlan:
        """Who attends to what, as the torch forwards need it."""
        return plan_attention(self.page_tables, self.spans, self.decode_rows, self.token_ids.device)


class StepForward(Protocol):
    """A base model. groups: its linears that are multiplied as one, which adapters must know of."""

    @property
    def layers(self) -> Mapping[int, LayerShape]: ...

    @property
    def groups(self) -> tuple[Group, ...]: ...

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in the model's dtype."""
