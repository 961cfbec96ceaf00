"""The fused decoder with the Triton kernels. Decode steps run as CUDA graphs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch

from serving.gpu.attention import (
    PREFILL_TOKENS,
    DecodeRows,
    attend_decode,
    attend_prefill,
    busy_programs,
    parts_for,
    store_rows,
)
from serving.gpu.graphs import MOST_ROWS, Capture, DecodeGraphs, GraphKey
from serving.gpu.inputs import StaticInputs, StepInputs, StepNumbers
from serving.gpu.lora import LoraKernels
from serving.kv.cache import KvCache, LayerShape
from serving.kv.pages import pages_for
from serving.lora.groups import Group
from serving.lora.plan import LoraPlan
from serving.models.fused import FusedDecoder, Layer, Projection, Rotation
from serving.models.step import Step


@dataclass(frozen=True, slots=True)
class KernelOperators:
    """The operators of one step, with the kernels. Decode rows come first; `inputs.prefill` covers the others.

    programs: the number of programs that keep the device busy.
    """

    inputs: StepInputs
    lora: LoraKernels | None
    cache: KvCache
    programs: int

    def project(self, projection: Projection, x: torch.Tensor) -> torch.Tensor:
        """As in StepOperators."""
        y = projection(x, None)
        if self.lora is not None:
            self.lora.add(y, x, projection.group, self.inputs.lora, self.inputs.lora_tile_tokens)
        return y

    def attend(self, layer: Layer, query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """As in StepOperators."""
        arena, inputs = self.cache.arena(layer.index), self.inputs
        store_rows(arena, rows, inputs.places)
        count, shape = len(inputs.lengths), layer.shape
        scaling, window = layer.scaling, layer.window
        if count == len(query):
            return attend_decode(query, arena, shape, self._decode_rows(layer), scaling=scaling, window=window)
        out = query.new_empty(len(query), query.shape[1] * shape.value_dim)
        if count:
            decoded = self._decode_rows(layer)
            out[:count] = attend_decode(query[:count], arena, shape, decoded, scaling=scaling, window=window)
        tiles = inputs.prefill
        attend_prefill(query, arena, shape, inputs.pages, tiles, out=out, scaling=scaling, window=window)
        return out

    def _decode_rows(self, layer: Layer) -> DecodeRows:
        inputs = self.inputs
        parts = parts_for(len(inputs.lengths), layer.shape.heads, self.programs)
        return DecodeRows(inputs.pages, inputs.pages_at, inputs.lengths, parts)


class GpuDecoder:
    """A FusedDecoder with kernels for adapters and attention, for sequences of at most `context` tokens.

    A step of decode rows alone runs as a graph. Steps with prompts, or with an adapter that changes the embedding or
    the head, run without a graph.
    """

    def __init__(self, decoder: FusedDecoder, context: int, device: torch.device, capture: Capture) -> None:
        self._decoder = decoder
        self._device = device
        self._programs = busy_programs(device)
        self._lora = LoraKernels(decoder.groups, device)
        self._in_layers = frozenset(name for group in decoder.groups for name in group.members)
        like = decoder.embed(torch.zeros(1, dtype=torch.int64, device=device))
        self._rotation = decoder.rotation(torch.arange(context, device=device), like)
        self._graphs = DecodeGraphs(capture, self._decode, pages_for(context), device)
        self._table_generation = self._lora.table.generation
        self._cache: KvCache | None = None

    @property
    def layers(self) -> Mapping[int, LayerShape]:
        """The shapes of the keys and values by layer number."""
        return self._decoder.layers

    @property
    def groups(self) -> tuple[Group, ...]:
        """The linears that are multiplied together."""
        return self._decoder.groups

    @property
    def captured(self) -> frozenset[GraphKey]:
        """The kinds of decode steps that have a graph."""
        return self._graphs.keys

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in the model's dtype."""
        numbers = StepNumbers.of(
            step.page_tables,
            step.spans,
            step.decode_rows,
            step.lora,
            row_of=self._lora.table.row,
            prefill_tokens=PREFILL_TOKENS,
        )
        self._forget_moved_graphs(cache)
        if len(numbers.lengths) == len(step.token_ids) <= MOST_ROWS and self._is_in_layers(step.lora):
            logits = self._graphs.forward(step.token_ids, numbers)
            return logits if step.last is None else logits.index_select(0, step.last)
        hidden = self._decoder.embed(step.token_ids, step.lora)
        self._run_layers(hidden, StepInputs.upload(numbers, self._device), cache, with_lora=step.lora is not None)
        if step.last is not None:
            hidden = hidden.index_select(0, step.last)
        return self._decoder.logits(hidden, step.head_lora)

    def _decode(self, static: StaticInputs, with_lora: bool) -> torch.Tensor:
        """Logits of a padded decode step, computed entirely on the device: what a graph records."""
        assert self._cache is not None
        hidden = self._decoder.embed(static.token_ids)
        self._run_layers(hidden, static.inputs, self._cache, with_lora=with_lora)
        return self._decoder.logits(hidden)

    def _run_layers(self, hidden: torch.Tensor, inputs: StepInputs, cache: KvCache, *, with_lora: bool) -> None:
        at = partial(torch.index_select, dim=0, index=inputs.positions)
        rotation = Rotation(at(self._rotation.cos), at(self._rotation.sin))
        operators = KernelOperators(inputs, self._lora if with_lora else None, cache, self._programs)
        self._decoder.run_layers(hidden, rotation, operators)

    def _forget_moved_graphs(self, cache: KvCache) -> None:
        """Drops graphs that were captured with other addresses of the cache or the slot table."""
        if cache is not self._cache:
            self._graphs.forget(with_lora_only=False)
            self._cache = cache
        if self._lora.table.generation != self._table_generation:
            self._graphs.forget(with_lora_only=True)
            self._table_generation = self._lora.table.generation

    def _is_in_layers(self, lora: LoraPlan | None) -> bool:
        """Whether the step's adapters change nothing but linears of the layers."""
        return lora is None or all(segment.slot.modules.keys() <= self._in_layers for segment in lora.segments)
