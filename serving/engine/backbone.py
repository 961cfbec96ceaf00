"""The logits of one step. Nothing else runs the model."""

from itertools import accumulate

import torch

from serving.engine.batch import Batch
from serving.kv.cache import KvCache
from serving.lora.groups import Group
from serving.models.step import Step, StepForward


class Backbone:
    """A base model with its KV cache. Used by one thread."""

    def __init__(self, model: StepForward, cache: KvCache, device: torch.device) -> None:
        self._model = model
        self.cache = cache
        self._device = device

    @property
    def groups(self) -> tuple[Group, ...]:
        """The linears that are multiplied as one, as LoRA sees them."""
        return self._model.groups

    @torch.inference_mode()
    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 for the rows that sample, in row order: [sampling rows, vocab]."""
        return self._model.forward(self._step(batch), self.cache).float()

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
            head_lora=batch.head,
        )

    def _tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)
