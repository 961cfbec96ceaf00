"""The input of one step of a base model: its tokens, their sequences and their adapters."""

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
    """One step's tokens as one packed row.

    token_ids, positions: [tokens].   last: the tokens whose logits are wanted; None means all of them.
    page_tables, spans: for each sequence, in row order: its pages, and which of its tokens (start, end) are computed.
    decode_rows: the number of sequences with one new token each; they come first.
    lora: the plan of the tokens.   head_lora: the plan of the wanted rows, for adapters that change the head.
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
        """What each token attends to, in the form that the torch forwards need."""
        return plan_attention(self.page_tables, self.spans, self.decode_rows, self.token_ids.device)


class StepForward(Protocol):
    """A base model that computes steps."""

    @property
    def layers(self) -> Mapping[int, LayerShape]:
        """The shapes of the keys and values by layer number."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The linears that are multiplied together, which an adapter's modules are matched with."""

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in the model's dtype."""
