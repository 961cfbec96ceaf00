"""The LoRA operator on one group of linears, with the Triton kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import triton.language as tl
from triton import cdiv, knobs

from serving.gpu.lora_kernels import expand, shrink
from serving.gpu.slot_table import FIELDS, SlotTable
from serving.lora.groups import Group

_BLOCK_R = 16
_BLOCK_K = 128
_BLOCK_N = 128
_SPLIT_FROM = 2048
"""Inputs at least this wide are split into two parts, and inputs of four times this width into eight."""


def dot_type(dtype: torch.dtype) -> tl.dtype:
    """The type in which matrix units multiply tensors of `dtype`: the same, but float32 for the interpreter."""
    return tl.bfloat16 if dtype == torch.bfloat16 and not knobs.runtime.interpret else tl.float32


@dataclass(frozen=True, slots=True)
class _GroupPlace:
    """A group's offset in a row of the slot table, and its column blocks as `expand` reads them: [blocks, 4]."""

    at: int
    blocks: torch.Tensor


class LoraKernels:
    """The LoRA operator for all groups of one model on one device.   table: of the adapters in use."""

    def __init__(self, groups: Sequence[Group], device: torch.device) -> None:
        self.table = SlotTable(groups, device)
        self._places: Mapping[Group, _GroupPlace] = {
            group: _GroupPlace(i * self.table.members * FIELDS, torch.tensor(_blocks(group), device=device))
            for i, group in enumerate(groups)
        }

    def add(self, y: torch.Tensor, x: torch.Tensor, group: Group, tiles: torch.Tensor, tile_tokens: int) -> None:
        """y[t] ← gain ⊙ (y[t] + x[t] Aᵀ B) + offset for the tokens of the tiles.

        y: [tokens, d_out], changed in place.   x: [tokens, d_in].   tiles: [n, 3], of at most `tile_tokens` tokens.
        """
        place, table, members = self._places[group], self.table.tensor, len(group.members)
        tokens, d_in = x.shape
        splits = 1 if d_in < _SPLIT_FROM else 2 if d_in < 4 * _SPLIT_FROM else 8
        z = x.new_empty((splits, members, tokens, self.table.width), dtype=torch.float32)
        assert x.stride(1) == y.stride(1) == 1
        strides = {"row_stride": table.stride(0), "group_at": place.at, "z_tokens": tokens, "z_width": z.stride(2)}
        compiled_for = {
            "MEMBERS": members,
            "SPLITS": splits,
            "BLOCK_T": tile_tokens,
            "BLOCK_R": _BLOCK_R,
            "DOT": dot_type(x.dtype),
        }
        shrink[tiles.shape[0], members * splits](
            z, x, tiles, table, d_in=d_in, x_stride=x.stride(0), BLOCK_K=_BLOCK_K, **strides, **compiled_for
        )
        expand[tiles.shape[0], place.blocks.shape[0]](
            y,
            z,
            tiles,
            table,
            place.blocks,
            y_stride=y.stride(0),
            BLOCK_N=_BLOCK_N,
            ALIGNED=all(width % 16 == 0 for width in group.widths),
            **strides,
            **compiled_for,
        )


def _blocks(group: Group) -> list[list[int]]:
    """(member, block of the member, member's first column in y, member's width) of every column block."""
    return [
        [number, block, group.columns[member].start, width]
        for number, (member, width) in enumerate(zip(group.members, group.widths, strict=True))
        for block in range(cdiv(width, _BLOCK_N))
    ]
