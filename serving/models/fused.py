"""The decoder of Llama, Mistral, Qwen2, Qwen3 and models of the same structure, in torch.

It runs few operations per layer: fused qkv and gate/up matrices, rotation in place, one write to the cache, and indices
that are computed once per step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.functional import linear, silu
from transformers import PreTrainedModel

from serving.kv.cache import KvCache, LayerShape
from serving.lora.groups import Group
from serving.lora.operator import add_lora
from serving.lora.plan import LoraPlan
from serving.models.attention import attend
from serving.models.ends import Ends
from serving.models.norm import Norm
from serving.models.step import Step


@dataclass(frozen=True, slots=True)
class Projection:
    """y = x W^T + bias, then += x A B per token, for linears with the same input: their outputs are concatenated.

    weight: [d_out, d_in]; the linears it was fused from are views of it.
    """

    group: Group
    weight: torch.Tensor
    bias: torch.Tensor | None

    @classmethod
    def fuse(cls, layer: str, linears: Mapping[str, nn.Linear]) -> "Projection":
        """Concatenates the weights of `linears` (by name within `layer`) and makes each linear a view of the result."""
        weights = [each.weight.data for each in linears.values()]
        weight = weights[0] if len(weights) == 1 else torch.cat(weights)
        if len(weights) > 1:
            parts = torch.split(weight, [each.shape[0] for each in weights])
            for each, part in zip(linears.values(), parts, strict=True):
                each.weight.data = part  # frees the original, so that weights are never held twice
        biases = [each.bias for each in linears.values()]
        widths = tuple(each.out_features for each in linears.values())
        names = tuple(f"{layer}.{name}" for name in linears)
        bias = None
        if any(each is not None for each in biases):
            bias = torch.cat(
                [weight.new_zeros(n) if b is None else b.data for n, b in zip(widths, biases, strict=True)]
            )
        return cls(Group("+".join(names), names, widths), weight, bias)

    def __call__(self, x: torch.Tensor, lora: LoraPlan | None) -> torch.Tensor:
        """x: [tokens, d_in] → [tokens, d_out]."""
        y = linear(x, self.weight, self.bias)
        if lora is not None:
            add_lora(y, x, self.group, lora)
        return y


@dataclass(frozen=True, slots=True)
class Rotation:
    """Rotary embedding: out[i] = x[i] cos[i] + x[(i + dim / 2) % dim] sin[i], the first half of `sin` negated.

    cos, sin: [tokens, 1, dim].
    """

    cos: torch.Tensor
    sin: torch.Tensor

    @classmethod
    def of(cls, cos: torch.Tensor, sin: torch.Tensor) -> "Rotation":
        """From Hugging Face's tables [1, tokens, dim]."""
        half = sin.shape[-1] // 2
        signed = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        return cls(cos[0, :, None], signed[0, :, None])

    def apply_(self, x: torch.Tensor) -> None:
        """x: [tokens, heads, dim], changed in place."""
        turned = x.roll(x.shape[-1] // 2, dims=-1)
        x.mul_(self.cos).addcmul_(turned, self.sin)


class StepOperators(Protocol):
    """The parts of a layer that depend on adapters or on other tokens."""

    def project(self, projection: Projection, x: torch.Tensor) -> torch.Tensor:
        """x: [tokens, d_in] → [tokens, d_out], with the step's adapters."""

    def attend(self, layer: "Layer", query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """query: [tokens, heads, dim] and the tokens' rows of the cache: [tokens, elements] → [tokens, heads * dim]."""


@dataclass(frozen=True, slots=True)
class TorchOperators:
    """The operators in torch."""

    step: Step
    cache: KvCache

    def project(self, projection: Projection, x: torch.Tensor) -> torch.Tensor:
        """As in StepOperators."""
        return projection(x, self.step.lora)

    def attend(self, layer: "Layer", query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """As in StepOperators."""
        plan, cache = self.step.attention, self.cache
        return attend(query, rows, cache, layer.index, plan, scaling=layer.scaling, window=layer.window)


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer.   window: to how many tokens a token attends, its own included; None for all."""

    index: int
    heads: int
    shape: LayerShape
    window: int | None
    scaling: float
    before_attention: Norm
    qkv: Projection
    query_norm: Norm | None
    key_norm: Norm | None
    out: Projection
    before_mlp: Norm
    gate_up: Projection
    down: Projection

    @classmethod
    def of(cls, module: Any, index: int) -> "Layer":
        """From a Hugging Face decoder layer, whose linears become views of the fused weights."""
        attention, mlp, name = module.self_attn, module.mlp, f"layers.{index}"
        dim = attention.head_dim
        heads, kv_heads = attention.q_proj.out_features // dim, attention.k_proj.out_features // dim
        has_norms = hasattr(attention, "q_norm")
        return cls(
            index=index,
            heads=heads,
            shape=LayerShape(kv_heads, dim, dim),
            window=_window(attention),
            scaling=attention.scaling,
            before_attention=Norm.of(module.input_layernorm),
            qkv=_fuse(f"{name}.self_attn", attention, "q_proj", "k_proj", "v_proj"),
            query_norm=Norm.of(attention.q_norm) if has_norms else None,
            key_norm=Norm.of(attention.k_norm) if has_norms else None,
            out=_fuse(f"{name}.self_attn", attention, "o_proj"),
            before_mlp=Norm.of(module.post_attention_layernorm),
            gate_up=_fuse(f"{name}.mlp", mlp, "gate_proj", "up_proj"),
            down=_fuse(f"{name}.mlp", mlp, "down_proj"),
        )

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The fused linears in the order in which they are computed."""
        return self.qkv, self.out, self.gate_up, self.down

    def forward(self, hidden: torch.Tensor, rotation: Rotation, operators: StepOperators) -> None:
        """hidden: [tokens, d], changed in place."""
        hidden.add_(self._attention(self.before_attention(hidden), rotation, operators))
        gate, up = operators.project(self.gate_up, self.before_mlp(hidden)).chunk(2, dim=1)
        hidden.add_(operators.project(self.down, silu(gate).mul_(up)))

    def _attention(self, x: torch.Tensor, rotation: Rotation, operators: StepOperators) -> torch.Tensor:
        qkv = operators.project(self.qkv, x)
        dim, kv_heads = self.shape.key_dim, self.shape.heads
        turning = qkv[:, : (self.heads + kv_heads) * dim].view(-1, self.heads + kv_heads, dim)
        if self.query_norm is not None and self.key_norm is not None:
            turning[:, : self.heads] = self.query_norm(turning[:, : self.heads])
            turning[:, self.heads :] = self.key_norm(turning[:, self.heads :])
        rotation.apply_(turning)
        attended = operators.attend(self, turning[:, : self.heads], qkv[:, self.heads * dim :])
        return operators.project(self.out, attended)


class FusedDecoder:
    """A whole causal LM with the weights of a Hugging Face model that `is_understood`. Weights are held once."""

    def __init__(self, model: PreTrainedModel) -> None:
        inner: Any = model.get_submodule(model.base_model_prefix)
        self._ends = Ends.of(model)
        self._rotary = inner.rotary_emb
        self._layers = tuple(Layer.of(module, i) for i, module in enumerate(inner.layers))

    @property
    def decoder_layers(self) -> tuple[Layer, ...]:
        """The layers with their fused weights."""
        return self._layers

    @property
    def layers(self) -> Mapping[int, LayerShape]:
        """The shapes of the keys and values by layer number."""
        return {layer.index: layer.shape for layer in self._layers}

    @property
    def groups(self) -> tuple[Group, ...]:
        """The linears that are multiplied together."""
        return tuple(projection.group for layer in self._layers for projection in layer.projections)

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in the model's dtype."""
        hidden = self.embed(step.token_ids, step.lora)
        self.run_layers(hidden, self.rotation(step.positions, hidden), TorchOperators(step, cache))
        if step.last is not None:
            hidden = hidden.index_select(0, step.last)
        return self.logits(hidden, step.head_lora)

    def embed(self, token_ids: torch.Tensor, lora: LoraPlan | None = None) -> torch.Tensor:
        """Hidden rows [tokens, d].   lora: the plan of the tokens."""
        return self._ends.embed(token_ids, lora)

    def rotation(self, positions: torch.Tensor, like: torch.Tensor) -> Rotation:
        """The rotation of tokens at these positions [tokens], in the dtype of `like`."""
        return Rotation.of(*self._rotary(like, positions[None]))

    def run_layers(self, hidden: torch.Tensor, rotation: Rotation, operators: StepOperators) -> None:
        """Applies all layers.   hidden: [tokens, d], changed in place."""
        for layer in self._layers:
            layer.forward(hidden, rotation, operators)

    def logits(self, hidden: torch.Tensor, lora: LoraPlan | None = None) -> torch.Tensor:
        """Logits [rows, vocab] of hidden rows [rows, d].   lora: the plan of these rows."""
        return self._ends.logits(hidden, lora)


def _fuse(layer: str, parent: Any, *names: str) -> Projection:
    return Projection.fuse(layer, {name: getattr(parent, name) for name in names})


def _window(attention: Any) -> int | None:
    """The window of an attention module: Mistral has it in the configuration, Qwen per layer, Llama has none."""
    if hasattr(attention, "sliding_window"):
        window = attention.sliding_window
    else:
        window = getattr(attention.config, "sliding_window", None)
    assert window is None or isinstance(window, int)
    return window
