"""A part of a base model with every kind of its layers, in float32, for the checks at start.

Memory: the chosen layers in float32 (usually 2, at most 6) and 512 rows each of the embedding and the head. The model
itself is neither copied nor changed.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from serving.base.layers import SHORT_WINDOW, is_per_layer, is_window_within, layer_list

VOCABULARY = 512
"""Rows of the embedding and of the head that an excerpt keeps."""
_NOISE, _LARGEST_NORM = 0.1, 2.0


class Excerpt:
    """A model of the same class with some layers of another one, and random weights that make every part matter.

    A model whose biases are zero, or whose attention scores are nearly equal, would hide a mistake. So matrices are
    drawn to keep the size of their input. Norm weights and biases are the model's own, limited and disturbed.

    model: in float32, until `convert_to_served` is called.
    """

    def __init__(self, model: PreTrainedModel, layers: Sequence[int], context: int) -> None:
        """layers: the numbers of the layers to take, in order.

        context: the longest sequence that is served. Windows below it are shortened to 8 tokens, so that a short
        sequence reaches past them; a longer window is never reached and stays.
        """
        self._head: nn.Module | None = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        self._generator = torch.Generator(model.device).manual_seed(5)
        self._replaced: dict[int, Any] = {}
        """What stands for an object of the model in the copy, by id: `copy.deepcopy` takes it from there."""
        self._served_dtypes: list[tuple[torch.Tensor, torch.dtype]] = []
        kept = layer_list(model)
        self._keep_apart(_towers(model, kept))
        self._replace(model, except_for=[layer for i, layer in enumerate(kept) if i not in layers])
        chosen = nn.ModuleList()
        self._replaced[id(kept)] = chosen
        self.model: PreTrainedModel = copy.deepcopy(model, self._replaced)
        for new, old in enumerate(layers):
            layer = copy.deepcopy(kept[old], self._replaced)
            _set_everywhere(layer, "layer_idx", new)
            chosen.append(layer)
        self._adjust_sizes(len(kept), layers)
        _shorten_windows(self.model, context)
        self._normalise_embedding()

    def convert_to_served(self) -> None:
        """Gives every tensor the dtype it has in the served model. No value changes: all are rounded already."""
        for tensor, dtype in self._served_dtypes:
            tensor.data = tensor.data.to(dtype)

    def _keep_apart(self, towers: Sequence[nn.Module]) -> None:
        """Tensors of the towers are shared, not copied: no text reaches them."""
        for tower in towers:
            for tensor in (*tower.parameters(), *tower.buffers()):
                self._replaced[id(tensor)] = tensor

    def _replace(self, model: nn.Module, *, except_for: Sequence[nn.Module]) -> None:
        """Draws a tensor for each one that is copied."""
        omitted = {id(module) for layer in except_for for module in layer.modules()}
        for module in model.modules():
            if id(module) in omitted:
                continue
            for parameter in module.parameters(recurse=False):
                if id(parameter) not in self._replaced:
                    drawn = self._drawn(module, parameter).to(parameter.dtype).float()
                    self._note(parameter, nn.Parameter(drawn, requires_grad=False))
            for buffer in module.buffers(recurse=False):
                if id(buffer) not in self._replaced and buffer.is_floating_point():
                    self._note(buffer, buffer.detach().clone().float())

    def _note(self, original: torch.Tensor, replacement: torch.Tensor) -> None:
        self._replaced[id(original)] = replacement
        self._served_dtypes.append((replacement, original.dtype))

    def _drawn(self, module: nn.Module, parameter: nn.Parameter) -> torch.Tensor:
        """A matrix that keeps the size of its input, or a vector near the model's own, in float32."""
        shape = list(parameter.shape)
        if isinstance(module, nn.Embedding) or module is self._head:
            shape[0] = min(shape[0], VOCABULARY)
        noise = torch.randn(shape, generator=self._generator, device=parameter.device)
        if parameter.ndim < 2:
            own = parameter.data[: shape[0]] if parameter.ndim else parameter.data
            return own.float().clamp(-_LARGEST_NORM, _LARGEST_NORM) + _NOISE * noise
        return noise / math.sqrt(shape[-1] if isinstance(module, nn.Linear) else math.sqrt(shape[-1] * shape[-2]))

    def _adjust_sizes(self, layers: int, chosen: Sequence[int]) -> None:
        """Makes the configuration and plain attributes fit the layers and rows that are left."""
        for module in self.model.modules():
            if isinstance(module, nn.Embedding):
                module.num_embeddings, module.padding_idx = module.weight.shape[0], None
        head = self.model.get_output_embeddings()  # type: ignore[no-untyped-call]
        if isinstance(head, nn.Linear):
            head.out_features = head.weight.shape[0]
        config = self.model.config.get_text_config()
        for name, value in list(vars(config).items()):
            if is_per_layer(value, layers):
                setattr(config, name, [value[i] for i in chosen])
        config.num_hidden_layers = len(chosen)

    @torch.inference_mode()
    def _normalise_embedding(self) -> None:
        """Scales the embedding so that its rows have the size of a normed row, whatever factor the model applies."""
        embedding: Any = self.model.get_input_embeddings()
        rows = embedding(torch.arange(16, device=self.model.device)[None] % embedding.weight.shape[0])
        size = float(rows.float().pow(2).mean().sqrt())
        dtype = next(dtype for tensor, dtype in self._served_dtypes if tensor is embedding.weight)
        embedding.weight.copy_((embedding.weight / size).to(dtype))


def with_short_windows(model: PreTrainedModel, context: int) -> PreTrainedModel:
    """The same model with short windows, for a model whose layers cannot run without each other.

    It shares all tensors with `model`, so it must be run `in_float32` and takes no memory.
    """
    shared: dict[int, Any] = {id(each): each for each in (*model.parameters(), *model.buffers())}
    copied: PreTrainedModel = copy.deepcopy(model, shared)
    _shorten_windows(copied, context)
    return copied


def _shorten_windows(model: PreTrainedModel, context: int) -> None:
    for owner in (*model.modules(), model.config.get_text_config()):
        for name, value in list(vars(owner).items()):
            if is_window_within(name, value, context):
                setattr(owner, name, SHORT_WINDOW)


def _towers(model: PreTrainedModel, layers: nn.ModuleList) -> list[nn.Module]:
    """Models inside the model that do not hold the decoder layers: encoders of images and sound."""
    inner = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    return [module for module in inner if not any(part is layers for part in module.modules())]


def _set_everywhere(root: nn.Module, name: str, value: int) -> None:
    for module in root.modules():
        if hasattr(module, name):
            setattr(module, name, value)
