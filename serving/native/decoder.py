"""Llama, Mistral, Qwen2, Qwen3 and models of the same structure on a CPU: one call into the kernels runs all layers."""

import ctypes
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from serving.config import StepThreads
from serving.kv.cache import KvCache, LayerShape
from serving.lora.groups import Group as LoraGroup
from serving.models.ends import Ends
from serving.models.fused import Layer as FusedLayer
from serving.models.fused import Projection
from serving.models.norm import Norm
from serving.models.step import Step
from serving.native import library as native
from serving.native.library import Library
from serving.native.packed import PackedMatrix
from serving.native.rotary import RotaryTable
from serving.native.step import ModuleTables, Scratch, StepAdapters, StepTokens


class NativeDecoder:
    """A whole causal LM. Packs the weights of a Hugging Face model that `is_understood` and empties it, layer by layer.

    threads: how many threads pack the weights and run the steps; may be changed between steps.
    """

    def __init__(self, model: PreTrainedModel, library: Library, *, context: int, threads: StepThreads) -> None:
        inner: Any = model.get_submodule(model.base_model_prefix)
        head: Any = model.get_submodule("lm_head")
        self.threads = threads
        self._library = library
        self._kept: list[object] = []
        """Keeps alive what the structs below point to."""
        self._groups: list[LoraGroup] = []
        self._shapes: dict[int, LayerShape] = {}
        self._rotary = RotaryTable(inner.rotary_emb, context)
        layers = [self._layer(module, i) for i, module in enumerate(inner.layers)]
        self._layers = (native.Layer * len(layers))(*layers)
        config = model.config
        self._decoder = native.Decoder(
            self._layers, len(layers), config.hidden_size, config.intermediate_size, config.rms_norm_eps
        )
        self._numbers = {name: i for i, name in enumerate(name for group in self._groups for name in group.members)}
        self._modules = ModuleTables(self._numbers)
        self._scratch = Scratch()
        self._ends = self._packed_ends(inner, head)
        self._buffers = {name: torch.empty(0, width, dtype=library.dtype) for name, width in self._widths().items()}
        self._bound: KvCache | None = None

    @property
    def layers(self) -> Mapping[int, LayerShape]:
        """The shapes of the keys and values by layer number."""
        return self._shapes

    @property
    def groups(self) -> tuple[LoraGroup, ...]:
        """The linears that are multiplied together."""
        return tuple(self._groups)

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in float32."""
        hidden = self._ends.embed(step.token_ids, step.lora)
        self._decode(hidden, step, cache)
        if step.last is not None:
            hidden = hidden.index_select(0, step.last)
        return self._ends.logits(hidden, step.head_lora)

    def _packed_ends(self, inner: Any, head: Any) -> Ends:
        """Packs the head. A tied embedding is read from the head's panels, so that its weights are held once."""
        is_tied, embedding = head.weight is inner.embed_tokens.weight, inner.embed_tokens.weight.data
        bias = None if head.bias is None else head.bias.data
        packed = PackedMatrix(self._library, head.weight.data, bias, threads=self.threads.most)
        _empty(head)
        if is_tied:
            _empty(inner.embed_tokens)
        return Ends(
            rows=packed.rows if is_tied else partial(embedding.index_select, 0),
            norm=Norm.of(inner.norm),
            head=lambda x: packed(x, threads=self.threads.of(len(x)), dtype=torch.float32),  # threads may change later
            head_bias=bias,
        )

    def _decode(self, hidden: torch.Tensor, step: Step, cache: KvCache) -> None:
        """Runs all layers.   hidden: [tokens, d], changed in place."""
        self._bind(cache)
        longest = max(end for _, end in step.spans)
        tokens = StepTokens(step.positions, step.page_tables, step.spans, self._rotary.upto(longest))
        adapters = StepAdapters(step.lora, self._modules, self._scratch, len(step.positions))
        buffers = self._buffers_for(hidden)
        self._library.decode_layers(
            self._decoder, tokens.struct, adapters.struct, buffers, threads=self.threads.of(len(hidden))
        )

    def _bind(self, cache: KvCache) -> None:
        """Writes the cache's addresses into the layers' structs. The cache stays the same from the first step on."""
        if self._bound is not cache:
            for i, layer in enumerate(self._layers):
                layer.attention.cache = cache.arena(i).data_ptr()
            self._bound = cache

    def _buffers_for(self, hidden: torch.Tensor) -> native.Buffers:
        """Buffers for every intermediate result, which grow to the largest step so far."""
        tokens = hidden.shape[0]
        if tokens > self._buffers["qkv"].shape[0]:
            rows = 1 << (tokens - 1).bit_length()
            self._buffers = {
                name: torch.empty(rows, old.shape[1], dtype=old.dtype) for name, old in self._buffers.items()
            }
        pointers = {name: buffer.data_ptr() for name, buffer in self._buffers.items()}
        return native.Buffers(hidden=hidden.data_ptr(), **pointers)

    def _widths(self) -> dict[str, int]:
        """The width of a row of each intermediate result."""
        widest = {name: max(getattr(layer, name).d_out for layer in self._layers) for name in ("qkv", "out", "gate_up")}
        attended = max(layer.out.d_in for layer in self._layers)
        return {
            "normed": self._decoder.hidden,
            "qkv": widest["qkv"],
            "attended": attended,
            "projected": widest["out"],
            "gate_up": widest["gate_up"],
            "activated": self._decoder.intermediate,
        }

    def _layer(self, module: Any, index: int) -> native.Layer:
        """Packs one Hugging Face layer and empties it."""
        fused = FusedLayer.of(module, index)
        first = sum(len(group.members) for group in self._groups)
        self._shapes[index] = fused.shape
        described = native.Layer(
            before_attention=self._floats(fused.before_attention),
            before_mlp=self._floats(fused.before_mlp),
            attention=self._attention(fused),
        )
        for name in ("qkv", "out", "gate_up", "down"):
            projection: Projection = getattr(fused, name)
            packed = PackedMatrix(self._library, projection.weight, projection.bias, threads=self.threads.most)
            self._kept.append(packed)
            group = projection.group
            setattr(described, name, packed.linear)
            widths = (ctypes.c_int64 * 3)(*group.widths)
            setattr(described, f"{name}_group", native.Group(first, len(group.members), widths))
            first += len(group.members)
            self._groups.append(group)
        for child in module.modules():
            if isinstance(child, torch.nn.Linear):
                _empty(child)
        return described

    def _attention(self, layer: FusedLayer) -> native.Attention:
        norms = layer.query_norm, layer.key_norm
        return native.Attention(
            heads=layer.heads,
            kv_heads=layer.shape.heads,
            key_dim=layer.shape.key_dim,
            value_dim=layer.shape.value_dim,
            window=layer.window or 0,
            scale=layer.scaling,
            query_norm=None if norms[0] is None else self._floats(norms[0]),
            key_norm=None if norms[1] is None else self._floats(norms[1]),
            norm_eps=0.0 if norms[0] is None else norms[0].eps,
        )

    def _floats(self, norm: Norm) -> int:
        """The address of a float32 copy of a norm's weight."""
        weight = norm.weight.to(torch.float32, copy=True)
        self._kept.append(weight)
        return weight.data_ptr()


def _empty(module: Any) -> None:
    """Frees a weight that was packed."""
    module.weight.data = module.weight.data.new_empty(0)
