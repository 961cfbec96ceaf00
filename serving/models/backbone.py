"""One step's logits: the only place that runs the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch

from serving.batch import Batch
from serving.kv.cache import KvCache, LayerShape
from serving.lora.groups import Group
from serving.lora.plan import LoraPlan
from serving.models.attention import AttentionPlan, plan_attention


@dataclass(frozen=True, slots=True)
class Step:
    """One step's tokens as one packed row. last: the rows whose logits are wanted; None means all of them.

    lora: segments of the tokens. head_lora: segments of the wanted rows, of adapters that change the head.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor | None
    attention: AttentionPlan
    lora: LoraPlan | None
    head_lora: LoraPlan | None = None


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
            attention=plan_attention(
                [row.sequence.page_table for row in batch.rows],
                [(row.start, row.end) for row in batch.rows],
                batch.decode_rows,
                self._device,
            ),
            lora=batch.lora,
            head_lora=batch.head,
        )

    def _tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)
