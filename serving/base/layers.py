"""The decoder layers of a Hugging Face model: where they are, which kinds there are, and how far back they attend."""

import re

from torch import nn
from transformers import PreTrainedModel

from serving.errors import BaseModelUnusable

SHORT_WINDOW = 8
_MAX_KINDS = 6
_WINDOW_FIELD = re.compile(r"(.*_)?(window|chunk)(_size|_len|_length)?|local_attention(_window_len)?")
"""Names such as sliding_window, attention_chunk_size or window_size, by which configurations and modules say how many
tokens back a token attends."""


def layer_list(model: PreTrainedModel) -> nn.ModuleList:
    """The list of the decoder layers. Raises BaseModelUnusable if no list has as many as the configuration says."""
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for module in model.modules():
        if not isinstance(module, nn.ModuleList) or len(module) != count:
            continue
        if any(hasattr(part, "layer_idx") for part in module.modules()):
            return module
    raise BaseModelUnusable(
        f"{type(model).__name__} is not served: it has no list of {count} layers that attend through the attention "
        "interface of transformers."
    )


def layer_kinds(model: PreTrainedModel) -> tuple[int, ...]:
    """The number of the first layer of each kind: at least 2 layers where the model has them, and at most 6.

    Two layers are of one kind if they have the same modules with the same weight shapes and the same plain attributes,
    and the same entries in the configuration's per-layer lists. An attribute that numbers the layers is ignored.
    """
    layers = layer_list(model)
    described = [_described(layer) for layer in layers]
    numbering = {
        key
        for key, first in described[0].items()
        if isinstance(first, int) and all(each.get(key) == first + i for i, each in enumerate(described))
    }
    lists = [each for each in vars(model.config.get_text_config()).values() if is_per_layer(each, len(layers))]
    first_of: dict[str, int] = {}
    for i, each in enumerate(described):
        own = sorted((key, value) for key, value in each.items() if len(layers) == 1 or key not in numbering)
        first_of.setdefault(repr((own, [entries[i] for entries in lists])), i)
    kinds = tuple(sorted(first_of.values())[:_MAX_KINDS])
    return kinds if len(kinds) > 1 else tuple(range(min(2, len(layers))))


def is_per_layer(value: object, layers: int) -> bool:
    """Whether a configuration's value is a list with one entry per layer."""
    return isinstance(value, list | tuple) and len(value) == layers


def windows_within(model: PreTrainedModel, context: int) -> dict[str, int]:
    """The configuration's windows and chunks that are shorter than `context` tokens, by field name."""
    fields = model.config.get_text_config().to_dict()
    return {name: value for name, value in fields.items() if is_window_within(name, value, context)}


def is_window_within(name: str, value: object, context: int) -> bool:
    """Whether a field or attribute is a window or chunk that a sequence of `context` tokens exceeds.

    Windows of at most SHORT_WINDOW tokens do not count: every trial exceeds them.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return SHORT_WINDOW < value < context and _WINDOW_FIELD.fullmatch(name) is not None


def _described(layer: nn.Module) -> dict[str, object]:
    """Class, weight shapes and plain attributes of each module in the layer, by path."""
    described: dict[str, object] = {}
    for path, module in layer.named_modules():
        described[path] = type(module).__qualname__
        for name, parameter in module.named_parameters(recurse=False):
            described[f"{path}.{name}"] = tuple(parameter.shape)
        for name, value in vars(module).items():
            if isinstance(value, bool | int | float | str | None) and not name.startswith("_"):
                described[f"{path}.{name}"] = value
    return described
