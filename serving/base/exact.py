"""The model's own forward in float32 without a second copy of the model.

Memory: the float32 weights of one decoder layer, or of the head, whichever is larger. A 7B model needs about 0.9 GB for
a layer, and 2.1 GB for a head of 128,000 tokens. The embedding is not converted: only the rows it returns are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from serving.base.layers import layer_list


@contextmanager
def in_float32(model: PreTrainedModel) -> Iterator[None]:
    """Inside, every layer converts its weights to float32 before it computes and takes its own back afterwards."""
    layers = list(layer_list(model))
    inside = {id(module) for layer in layers for module in layer.modules()}
    outside = [module for module in model.modules() if id(module) not in inside and _owns_tensors(module)]
    hooks: list[Any] = []
    for module in outside:
        if isinstance(module, nn.Embedding):
            hooks.append(module.register_forward_hook(lambda each, args, rows: rows.float()))
    for unit in (*layers, *(module for module in outside if not isinstance(module, nn.Embedding))):
        conversion = _Conversion(unit)
        hooks += (
            unit.register_forward_pre_hook(conversion.begin, with_kwargs=True),
            unit.register_forward_hook(conversion.end, always_call=True),
        )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Conversion:
    """The tensors of one module, in float32 while it computes."""

    def __init__(self, unit: nn.Module) -> None:
        self._tensors = [each for each in (*unit.parameters(), *unit.buffers()) if each.is_floating_point()]
        self._served: list[torch.Tensor] = []

    def begin(
        self, unit: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Some models convert a module's input to the dtype of its weights before they call it: undone here."""
        self._served = [tensor.data for tensor in self._tensors]
        for tensor in self._tensors:
            tensor.data = tensor.data.float()
        return tuple(map(_float, args)), {name: _float(value) for name, value in kwargs.items()}

    def end(self, unit: nn.Module, args: object, output: object) -> None:
        """Gives the module its own tensors back, also after an error."""
        for tensor, served in zip(self._tensors, self._served, strict=True):
            tensor.data = served


def _float(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _owns_tensors(module: nn.Module) -> bool:
    tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(tensor.is_floating_point() for tensor in tensors)
