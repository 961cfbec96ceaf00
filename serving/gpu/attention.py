"""Attention over pages with the kernels: which blocks, how many parts, one launch per kind of row."""

import math
from dataclasses import dataclass

import torch
from triton import next_power_of_2

from serving.gpu.attention_kernels import combine, decode, prefill, store
from serving.gpu.lora import dot_type
from serving.kv.cache import LayerShape
from serving.kv.pages import PAGE_TOKENS

PREFILL_TOKENS = 64
"""Queries of a prefill tile."""
_NO_WINDOW = 1 << 30
_STORE_ELEMENTS = 1024
_LEAST_ROWS = 16
"""Of a matrix unit."""
_MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class DecodeRows:
    """One new token per row, whose key and value are the last of lengths[i]: [rows] in its pages.

    pages: the rows' page tables, row i's from pages_at[i] on.   parts: into which a row's keys are cut.
    """

    pages: torch.Tensor
    pages_at: torch.Tensor
    lengths: torch.Tensor
    parts: int


def busy_programs(device: torch.device) -> int:
    """So many programs keep the device busy: two for each of its multiprocessors."""
    if device.type != "cuda":
        return 8  # the interpreter runs them one by one: only so many that parts occur
    return 2 * int(torch.cuda.get_device_properties(device).multi_processor_count)


def parts_for(rows: int, kv_heads: int, programs: int) -> int:
    """Into how many parts a row's keys are cut for so many programs: a power of two, the more the fewer rows."""
    wanted = -(-programs // (rows * kv_heads))
    return int(min(_MOST_PARTS, next_power_of_2(wanted)))


def store_rows(arena: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> None:
    """rows: [tokens, elements] go to `places`: [tokens], each page * PAGE_TOKENS + offset, or below 0: nowhere."""
    assert rows.stride(1) == 1
    store[(rows.shape[0],)](arena, rows, places, rows.stride(0), ELEMENTS=arena.shape[2], BLOCK=_STORE_ELEMENTS)


def attend_decode(
    query: torch.Tensor,
    arena: torch.Tensor,
    shape: LayerShape,
    rows: DecodeRows,
    *,
    scaling: float,
    window: int | None,
) -> torch.Tensor:
    """query: [rows, heads, dim] → [rows, heads * value_dim]; zeros for a row of length 0.

    arena: [pages, PAGE_TOKENS, elements].
    """
    count, heads, _ = query.shape
    parts = rows.parts
    assert query.stride(2) == 1
    assert query.stride(1) == shape.key_dim
    partial = query.new_empty((count, heads, parts, shape.value_dim), dtype=torch.float32)
    softmax = query.new_empty((count, heads, parts, 2), dtype=torch.float32)
    decode[count, shape.heads, parts](
        partial,
        softmax,
        query,
        arena,
        rows.pages,
        rows.pages_at,
        rows.lengths,
        query.stride(0),
        arena.stride(1),
        window or _NO_WINDOW,
        scaling / math.log(2),
        HEADS=heads,
        KV_HEADS=shape.heads,
        SPLITS=parts,
        BLOCK_M=max(_LEAST_ROWS, next_power_of_2(heads // shape.heads)),
        **_blocks(shape, query.dtype),
    )
    out = query.new_empty(count, heads * shape.value_dim)
    block = next_power_of_2(shape.value_dim)
    combine[count, heads](out, partial, softmax, HEADS=heads, SPLITS=parts, VALUE_DIM=shape.value_dim, BLOCK_V=block)
    return out


def attend_prefill(
    query: torch.Tensor,
    arena: torch.Tensor,
    shape: LayerShape,
    pages: torch.Tensor,
    tiles: torch.Tensor,
    *,
    out: torch.Tensor,
    scaling: float,
    window: int | None,
) -> None:
    """Writes the attention of the tiles' tokens into out: [tokens, heads * value_dim].   query: [tokens, heads, dim].

    tiles: [n, 4], see `tiles.PrefillTile`; none has more than PREFILL_TOKENS tokens. Their keys and values are written.
    """
    heads = query.shape[1]
    assert query.stride(2) == 1
    assert query.stride(1) == shape.key_dim
    prefill[tiles.shape[0], heads](
        out,
        query,
        arena,
        pages,
        tiles,
        query.stride(0),
        arena.stride(1),
        window or _NO_WINDOW,
        scaling / math.log(2),
        HEADS=heads,
        KV_HEADS=shape.heads,
        BLOCK_T=PREFILL_TOKENS,
        **_blocks(shape, query.dtype),
    )


def _blocks(shape: LayerShape, dtype: torch.dtype) -> dict[str, object]:
    """What both kernels are compiled for. Fewer keys at once where a head has more bytes, to fit the chip."""
    wide = max(shape.key_dim, shape.value_dim) * dtype.itemsize > 256
    return {
        "KEY_DIM": shape.key_dim,
        "VALUE_DIM": shape.value_dim,
        "BLOCK_N": 32 if wide else 64,
        "BLOCK_K": max(_LEAST_ROWS, next_power_of_2(shape.key_dim)),
        "BLOCK_V": max(_LEAST_ROWS, next_power_of_2(shape.value_dim)),
        "PAGE": PAGE_TOKENS,
        "DOT": dot_type(dtype),
    }
