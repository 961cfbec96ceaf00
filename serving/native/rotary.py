"""The cosines and sines of the rotary embedding by position, computed by the model's own module."""

from typing import Any

import torch

_GROWTH = 1024


class RotaryTable:
    """cos, sin: [positions, dim] in float32, the first half of `sin` negated. Grows with the longest sequence so far.

    limit: the number of positions the model knows. Scalings that depend on the longest sequence of a batch are exact
    below it only.
    """

    def __init__(self, module: Any, limit: int) -> None:
        self._module = module
        self._limit = limit
        self._cos = self._sin = torch.empty(0)

    def upto(self, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tables of at least this many positions."""
        if positions > len(self._cos):
            end = max(positions, min(self._limit, -(-positions // _GROWTH) * _GROWTH))
            cos, sin = self._module(torch.empty(1, dtype=torch.float32), torch.arange(end)[None])
            half = sin.shape[-1] // 2
            self._cos = cos[0].float().contiguous()
            self._sin = torch.cat((-sin[0, :, :half], sin[0, :, half:]), dim=-1).float().contiguous()
        return self._cos, self._sin
