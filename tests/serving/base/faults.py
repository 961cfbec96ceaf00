"""Mistakes that are planted into the forwards, each of which the checks at start must find."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from serving.models import fallback
from serving.models.fused import FusedDecoder, Layer, Projection
from serving.models.norm import Norm
from serving.native import decoder as native_decoder
from serving.native import library
from serving.native.rotary import RotaryTable

Plant = Callable[[pytest.MonkeyPatch], None]


def _change_layers(change: Callable[[Layer], Layer], *, only: int | None = None) -> Plant:
    """Every layer that is read from a Hugging Face model comes out changed, or the one with this number."""
    read = Layer.of

    def plant(patch: pytest.MonkeyPatch) -> None:
        def changed(module: Any, index: int) -> Layer:
            layer = read(module, index)
            return change(layer) if only in (None, index) else layer

        patch.setattr(Layer, "of", changed)

    return plant


def _without_bias(projection: Projection) -> Projection:
    return replace(projection, bias=None)


def _plain(norm: Norm | None) -> Norm:
    assert norm is not None
    return replace(norm, weight=torch.ones_like(norm.weight))


def _wider(layer: Layer) -> Layer:
    assert layer.window is not None
    return replace(layer, window=layer.window + 1)


def _wrong_theta(patch: pytest.MonkeyPatch) -> None:
    turn, make = FusedDecoder.rotation, RotaryTable.__init__

    def rotation(self: FusedDecoder, positions: torch.Tensor, like: torch.Tensor) -> Any:
        return turn(self, positions * 1.02, like)

    def table(self: RotaryTable, module: Any, limit: int) -> None:
        wrong = copy.deepcopy(module)
        wrong.inv_freq.mul_(1.02)
        make(self, wrong, limit)

    patch.setattr(FusedDecoder, "rotation", rotation)
    patch.setattr(RotaryTable, "__init__", table)


def _change_kernels(**changes: Callable[[Any], Any]) -> Plant:
    """The compiled kernels alone get other numbers."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        class Changed(library.Attention):
            def __init__(self, **fields: Any) -> None:
                super().__init__(**{**fields, **{name: change(fields[name]) for name, change in changes.items()}})

        patch.setattr(native_decoder.native, "Attention", Changed)

    return plant


def _change_fallback(scaling: float = 1.0, window: int = 0) -> Plant:
    compute = fallback.paged_attention

    def plant(patch: pytest.MonkeyPatch) -> None:
        def changed(*args: Any, **keywords: Any) -> Any:
            keywords["scaling"] = keywords["scaling"] * scaling
            if keywords.get("sliding_window"):
                keywords["sliding_window"] += window
            return compute(*args, **keywords)

        patch.setattr(fallback, "paged_attention", changed)

    return plant


FAULTS: dict[str, tuple[str, Plant]] = {
    "rope theta": ("llama", _wrong_theta),
    "attention scale": ("llama", _change_layers(lambda layer: replace(layer, scaling=layer.scaling * 1.02))),
    "attention norm": (
        "llama",
        _change_layers(lambda layer: replace(layer, before_attention=_plain(layer.before_attention))),
    ),
    "mlp norm": ("llama", _change_layers(lambda layer: replace(layer, before_mlp=_plain(layer.before_mlp)))),
    "query norm": ("qwen3", _change_layers(lambda layer: replace(layer, query_norm=_plain(layer.query_norm)))),
    "window": ("mistral", _change_layers(_wider)),
    "bias": ("qwen2", _change_layers(lambda layer: replace(layer, qkv=_without_bias(layer.qkv)))),
    "scale in the kernels": ("llama", _change_kernels(scale=lambda scale: scale * 1.1)),
    "window in the kernels": ("mistral", _change_kernels(window=lambda window: window + 1)),
    "norm in the kernels": ("qwen3", _change_kernels(norm_eps=lambda eps: eps + 0.1)),
}
"""By name: the family that has the part, and how the mistake is planted."""
FALLBACK_FAULTS: dict[str, Plant] = {
    "scale": _change_fallback(scaling=1.02),
    "window": _change_fallback(window=1),
}


def plant_in_layer(number: int) -> Plant:
    """The attention norm of one layer is forgotten."""
    return _change_layers(lambda layer: replace(layer, before_attention=_plain(layer.before_attention)), only=number)
