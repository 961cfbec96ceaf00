"""One step's logits: the only place that runs the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import torch

from serving.batch import Batch
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
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor | None
    page_tables: Sequence[Sequence[int]]
    spans: Sequence[tuple[int, int]]
    decode_rows: int
    lora: LoraPlan | None

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


class Backbone:
    """A base model with its cache. Used by one thread."""

    def __init__(self, model: StepForward, cache: KvCache, device: torch.device) -> None:
        self._model = model
        self._cache = cache
        self._device = device

    @property
    def groups(self) -> tuple[Group, ...]:
        """The linears that are multiplied as one."""
        return self._model.groups

    @torch.inference_mode()
    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 for the rows that sample, in row order: [sampling rows, vocab]."""
        return self._model.forward(self._step(batch), self._cache).float()

    def _step(self, batch: Batch) -> Step:
        ends = list(accumulate(row.count for row in batch.rows))
        last = [end - 1 for row, end in zip(batch.rows, ends, strict=True) if row.samples]
        return Step(
            token_ids=self._tensor([t for row in batch.rows for t in row.sequence.token_ids[row.start : row.end]]),
            positions=self._tensor([position for row in batch.rows for position in range(row.start, row.end)]),
            last=None if len(last) == ends[-1] else self._tensor(last),
            page_tables=[row.sequence.page_table for row in batch.rows],
            spans=[(row.start, row.end) for row in batch.rows],
            decode_rows=batch.decode_rows,
            lora=batch.lora,
        )

    def _tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)
