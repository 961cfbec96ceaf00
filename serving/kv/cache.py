"""The tensors of the KV cache: one arena of pages per layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from serving.kv.pages import PAGE_TOKENS


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One layer's number of KV heads, and the widths of a head's key and value."""

    heads: int
    key_dim: int
    value_dim: int

    @property
    def elements_per_token(self) -> int:
        """Numbers that one token takes in this layer."""
        return self.heads * (self.key_dim + self.value_dim)

    def split(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Views of rows [..., elements_per_token]: keys [..., heads, key_dim] and values [..., heads, value_dim]."""
        keys, values = rows[..., : self.heads * self.key_dim], rows[..., self.heads * self.key_dim :]
        return (
            keys.view(*rows.shape[:-1], self.heads, self.key_dim),
            values.view(*rows.shape[:-1], self.heads, self.value_dim),
        )


def page_bytes(layers: Mapping[int, LayerShape], dtype: torch.dtype) -> int:
    """Bytes of one page, summed over all layers."""
    return PAGE_TOKENS * dtype.itemsize * sum(shape.elements_per_token for shape in layers.values())


class KvCache:
    """arenas[layer]: [pages, PAGE_TOKENS, elements]; a token's row holds the keys of all heads, then their values.

    A page is contiguous, so reading a batch copies pages, not tokens. The unused rows of a sequence's last page are
    finite, because `clear` zeroes a page before its new owner writes to it.

    On a CPU the arenas are the operating system's zero pages until they are first written, so unused budget costs no
    memory.
    """

    def __init__(
        self, layers: Mapping[int, LayerShape], num_pages: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.shapes = layers
        self._arenas = {
            layer: _arena((num_pages, PAGE_TOKENS, shape.elements_per_token), dtype, device)
            for layer, shape in layers.items()
        }

    def arena(self, layer: int) -> torch.Tensor:
        """[pages, PAGE_TOKENS, elements]"""
        return self._arenas[layer]

    def clear(self, layer: int, pages: torch.Tensor) -> None:
        """Zeroes `pages`: another sequence may have left NaN or infinity there."""
        self._arenas[layer].index_fill_(0, pages, 0)

    def write(self, layer: int, positions: torch.Tensor, rows: torch.Tensor) -> None:
        """Writes rows: [tokens, elements] to `positions`: [tokens], each page * PAGE_TOKENS + offset."""
        self._arenas[layer].flatten(0, 1).index_copy_(0, positions, rows)

    def read(self, layer: int, pages: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of `pages` [rows, n]: [rows, n * PAGE_TOKENS, heads, dim] each."""
        arena = self._arenas[layer]
        rows = arena.flatten(1).index_select(0, pages.flatten()).view(pages.shape[0], -1, arena.shape[2])
        return self.shapes[layer].split(rows)


def _arena(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    count = shape[0] * shape[1] * shape[2]
    return torch.from_numpy(np.zeros(count * dtype.itemsize, dtype=np.uint8)).view(dtype).view(shape)
