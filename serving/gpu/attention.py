"""Launches the attention kernels: chooses block sizes and parts, with one launch for decode rows and one for tiles."""

import math
from dataclasses import dataclass

import torch
from triton import next_power_of_2

from serving.gpu.attention_kernels import combine, decode, prefill, store
from serving.gpu.lora import dot_type
from serving.kv.cache import LayerShape
from serving.kv.pages import PAGE_TOKENS

PREFILL_TOKENS = 64
"""The most queries of a prefill tile."""
_NO_WINDOW = 1 << 30
_STORE_ELEMENTS = 1024
_LEAST_ROWS = 16
"""The fewest rows that a matrix unit multiplies."""
_MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class DecodeRows:
    """Rows with one new token each, whose key and value are already in the cache.

    lengths: [rows], tokens of each sequence with the new one.   pages: all page tables, concatenated; row i's starts at
    pages_at[i].   parts: the number of parts into which a row's keys are split.
    """

    pages: torch.Tensor
    pages_at: torch.Tensor
    lengths: torch.Tensor
    parts: int


def busy_programs(device: torch.device) -> int:
    """The number of programs that keep the device busy: two for each of its multiprocessors."""
    if device.type != "cuda":
        return 8  # the interpreter runs programs one by one: enough that keys are split into parts
    return 2 * int(torch.cuda.get_device_properties(device).multi_processor_count)


def parts_for(rows: int, kv_heads: int, programs: int) -> int:
    """The number of parts, a power of two, into which a row's keys are split to get `programs` programs."""
    wanted = -(-programs // (rows * kv_heads))
    return int(min(_MOST_PARTS, next_power_of_2(wanted)))


def store_rows(arena: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> None:
    """Stores rows [tokens, elements] at `places` [tokens], each page * PAGE_TOKENS + offset; drops places below 0."""
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

    tiles: [n, 4], see `tiles.PrefillTile`, of at most PREFILL_TOKENS tokens whose keys and values are in the cache.
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
    """The compile-time constants of both kernels. Wide heads get blocks of fewer keys, to fit into shared memory."""
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
