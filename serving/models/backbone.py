"""One step's logits: the only place that runs the model."""

from itertools import accumulate

import torch
from transformers import PreTrainedModel

from serving.batch import Batch, Row
from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.lora.linear import LoraStep
from serving.models.attention import AttentionPlan, AttentionState, PrefillSegment, decode_groups, positions_of


class Backbone:
    """A Hugging Face causal LM whose linears add adapters and whose attention reads pages. Used by one thread."""

    def __init__(self, model: PreTrainedModel, attention: AttentionState, lora: LoraStep, cache: KvCache) -> None:
        self._model = model
        self._attention = attention
        self._lora = lora
        self._device = model.device
        attention.cache = cache

    @torch.inference_mode()
    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 for the rows that sample, in row order: [sampling rows, vocab]."""
        ends = list(accumulate(row.count for row in batch.rows))
        token_ids = [token for row in batch.rows for token in row.sequence.token_ids[row.start : row.end]]
        positions = [position for row in batch.rows for position in range(row.start, row.end)]
        last = [end - 1 for row, end in zip(batch.rows, ends, strict=True) if row.samples]
        self._attention.plan = self._plan_attention(batch, ends)
        self._lora.plan = batch.lora
        output = self._model(
            input_ids=self._tensor(token_ids)[None],
            position_ids=self._tensor(positions)[None],
            use_cache=False,
            logits_to_keep=self._tensor(last),
        )
        logits: torch.Tensor = output.logits[0]
        return logits.float()

    def _plan_attention(self, batch: Batch, ends: list[int]) -> AttentionPlan:
        decode, prefill = batch.rows[: batch.decode_rows], batch.rows[batch.decode_rows :]
        groups = decode_groups([row.sequence.page_table for row in decode], [row.end for row in decode], self._device)
        writes = [self._tensor([self._position(row) for row in decode])]
        segments = []
        for row, end in zip(prefill, ends[batch.decode_rows :], strict=True):
            pages = row.sequence.page_table[: pages_for(row.end)]
            context = positions_of([pages], self._device)[0, : row.end]
            writes.append(context[row.start :])
            segments.append(PrefillSegment(end - row.count, end, context))
        return AttentionPlan(torch.cat(writes), groups, tuple(segments))

    @staticmethod
    def _position(row: Row) -> int:
        """The cache position of a decode row's token."""
        return row.sequence.page_table[row.start // PAGE_TOKENS] * PAGE_TOKENS + row.start % PAGE_TOKENS

    def _tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)
