"""The tensors behind the pages: one key and one value arena per layer."""

from dataclasses import dataclass

import numpy as np
import torch

from serving.kv.pages import PAGE_TOKENS


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Heads and widths of one layer's keys and values."""

    heads: int
    key_dim: int
    value_dim: int

    @property
    def elements_per_token(self) -> int:
        return self.heads * (self.key_dim + self.value_dim)


def page_bytes(layers: dict[int, LayerShape], dtype: torch.dtype) -> int:
    """Bytes of one page over all layers."""
    return PAGE_TOKENS * dtype.itemsize * sum(shape.elements_per_token for shape in layers.values())


class KvCache:
    """keys[layer], values[layer]: [positions, heads, dim]; position = page * PAGE_TOKENS + offset.

    On a CPU the arenas are zero pages of the operating system until first written, so a budget costs nothing unused.
    """

    def __init__(self, layers: dict[int, LayerShape], num_pages: int, dtype: torch.dtype, device: torch.device) -> None:
        positions = num_pages * PAGE_TOKENS
        self.keys = {i: _arena((positions, s.heads, s.key_dim), dtype, device) for i, s in layers.items()}
        self.values = {i: _arena((positions, s.heads, s.value_dim), dtype, device) for i, s in layers.items()}

    def write(self, layer: int, positions: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """keys, values: [tokens, heads, dim] go to `positions`: [tokens]."""
        self.keys[layer].index_copy_(0, positions, keys)
        self.values[layer].index_copy_(0, positions, values)

    def read(self, layer: int, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values at `positions` of any shape: [*positions, heads, dim]."""
        flat = positions.reshape(-1)
        keys, values = self.keys[layer].index_select(0, flat), self.values[layer].index_select(0, flat)
        return keys.view(*positions.shape, *keys.shape[1:]), values.view(*positions.shape, *values.shape[1:])


def _arena(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    count = shape[0] * shape[1] * shape[2]
    return torch.from_numpy(np.zeros(count * dtype.itemsize, dtype=np.uint8)).view(dtype).view(shape)
