"""The layout of a payload: byte offsets of all modules' parts in one contiguous buffer that holds an adapter."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from serving.lora.slot import LoraModule

_ALIGN_BYTES = 64


@dataclass(frozen=True, slots=True)
class Placement:
    """Byte offsets of one module's parts in the payload, each a multiple of 64; None for a part that it does not have.

    weight_rows: rows of a whole weight, whose elements are d_in * d_out.
    """

    name: str
    rank: int
    d_in: int
    d_out: int
    a_at: int
    b_at: int
    gain_at: int | None = None
    offset_at: int | None = None
    weight_at: int | None = None
    weight_rows: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """The sizes of one module's parts, before they are placed. weight_rows: 0 if there is no whole weight."""

    name: str
    rank: int
    d_in: int
    d_out: int
    gain: bool = False
    offset: bool = False
    weight_rows: int = 0


def place(extents: Iterable[Extent], dtype: torch.dtype) -> tuple[tuple[Placement, ...], int]:
    """The placements of modules in the given order, and the size of the payload in bytes."""
    placements, end = [], 0

    def take(nbytes: int) -> int:
        nonlocal end
        start, end = end, aligned(end + nbytes, _ALIGN_BYTES)
        return start

    for each in extents:
        size, vector = dtype.itemsize, 4 * each.d_out
        placements.append(
            Placement(
                each.name,
                each.rank,
                each.d_in,
                each.d_out,
                a_at=take(each.rank * each.d_in * size),
                b_at=take(each.rank * each.d_out * size),
                gain_at=take(vector) if each.gain else None,
                offset_at=take(vector) if each.offset else None,
                weight_at=take(each.d_in * each.d_out * size) if each.weight_rows else None,
                weight_rows=each.weight_rows,
            )
        )
    return tuple(placements), end


def views(payload: torch.Tensor, placements: tuple[Placement, ...], dtype: torch.dtype) -> dict[str, LoraModule]:
    """Name → module, its parts views of `payload`; no bytes are copied."""

    def part(at: int, elements: int, kind: torch.dtype) -> torch.Tensor:
        return payload[at : at + elements * kind.itemsize].view(kind)

    def vector(at: int | None, elements: int) -> torch.Tensor | None:
        return None if at is None else part(at, elements, torch.float32)

    return {
        p.name: LoraModule(
            a=part(p.a_at, p.rank * p.d_in, dtype).view(p.rank, p.d_in),
            b=part(p.b_at, p.rank * p.d_out, dtype).view(p.rank, p.d_out),
            gain=vector(p.gain_at, p.d_out),
            offset=vector(p.offset_at, p.d_out),
            weight=None if p.weight_at is None else part(p.weight_at, p.d_in * p.d_out, dtype).view(p.weight_rows, -1),
        )
        for p in placements
    }


def aligned(offset: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `offset`."""
    return -(-offset // multiple) * multiple
