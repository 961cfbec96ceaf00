"""The attention kernels equal softmax(scaling Q Kᵀ) V in float32 over pages that others have poisoned."""

import math
import random

import pytest
import torch

from serving.gpu.attention import PREFILL_TOKENS, DecodeRows, attend_decode, attend_prefill, parts_for
from serving.gpu.tiles import prefill_tiles
from serving.kv.cache import LayerShape
from serving.kv.pages import PAGE_TOKENS, pages_for
from tests.serving.gpu.machine import DEVICE
from tests.serving.lora.popularity import BATCHES

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2e-2}


class Filled:
    """Sequences of these lengths in shuffled pages; everything that is not theirs is NaN."""

    def __init__(self, lengths: list[int], shape: LayerShape, dtype: torch.dtype) -> None:
        rng = torch.Generator().manual_seed(sum(lengths))
        self.shape = shape
        numbers = list(range(sum(map(pages_for, lengths)) + 3))
        random.Random(len(lengths)).shuffle(numbers)
        arena = torch.full((len(numbers), PAGE_TOKENS, shape.elements_per_token), float("nan"), dtype=dtype)
        self.rows, self.pages, self.pages_at = [], list[int](), list[int]()
        for length in lengths:
            rows = torch.randn(length, shape.elements_per_token, generator=rng).to(dtype)
            table = [numbers.pop() for _ in range(pages_for(length))]
            for position, row in enumerate(rows):
                arena[table[position // PAGE_TOKENS], position % PAGE_TOKENS] = row
            self.rows.append(rows.to(DEVICE))
            self.pages_at.append(len(self.pages))
            self.pages += table
        self.arena = arena.to(DEVICE)
        self.page_list = torch.tensor([*self.pages, 0], device=DEVICE)

    def expected(self, i: int, query: torch.Tensor, first: int, scaling: float, window: int | None) -> torch.Tensor:
        """For queries [tokens, heads, dim] at positions first, first + 1, …: [tokens, heads * value_dim] in float32."""
        keys, values = (
            each.float().repeat_interleave(query.shape[1] // self.shape.heads, dim=1)
            for each in self.shape.split(self.rows[i])
        )
        scores = torch.einsum("thd,phd->htp", query.float(), keys) * scaling
        back = first + torch.arange(query.shape[0])[:, None] - torch.arange(len(self.rows[i]))
        barred = (back < 0) | (back >= (window or 1 << 30))
        weights = scores.masked_fill(barred.to(DEVICE), float("-inf")).softmax(-1)
        return torch.einsum("htp,phd->thd", weights, values).flatten(1)


def queries(tokens: int, heads: int, dim: int, dtype: torch.dtype) -> torch.Tensor:
    """A view into rows that hold more, as the fused q, k, v do."""
    rng = torch.Generator().manual_seed(tokens)
    rows = torch.randn(tokens, (heads + 2) * dim, generator=rng).to(dtype).to(DEVICE)
    return rows[:, : heads * dim].view(tokens, heads, dim)


def check_decode(
    lengths: list[int], shape: LayerShape, heads: int, dtype: torch.dtype, *, window: int | None = None, parts: int = 4
) -> None:
    filled = Filled(lengths, shape, dtype)
    query, scaling = queries(len(lengths), heads, shape.key_dim, dtype), 1 / math.sqrt(shape.key_dim)
    got = attend_decode(
        query,
        filled.arena,
        shape,
        DecodeRows(
            filled.page_list,
            torch.tensor(filled.pages_at, device=DEVICE),
            torch.tensor(lengths, device=DEVICE),
            parts,
        ),
        scaling=scaling,
        window=window,
    )
    for i, length in enumerate(lengths):
        if not length:
            assert not got[i].any()
            continue
        expected = filled.expected(i, query[i : i + 1], length - 1, scaling, window)
        assert (got[i].float() - expected[0]).abs().max().item() <= TOLERANCE[dtype] * expected.abs().max().item()


def check_prefill(
    spans: list[tuple[int, int]], shape: LayerShape, heads: int, dtype: torch.dtype, window: int | None
) -> None:
    filled = Filled([end for _, end in spans], shape, dtype)
    firsts = [sum(end - start for start, end in spans[:i]) for i in range(len(spans))]
    tokens = sum(end - start for start, end in spans)
    query, scaling = queries(tokens, heads, shape.key_dim, dtype), 0.2
    rows = [(first, *span, at) for first, span, at in zip(firsts, spans, filled.pages_at, strict=True)]
    out = torch.zeros(tokens, heads * shape.value_dim, dtype=dtype, device=DEVICE)

    tiles = torch.tensor(prefill_tiles(rows, PREFILL_TOKENS), device=DEVICE)
    attend_prefill(query, filled.arena, shape, filled.page_list, tiles, out=out, scaling=scaling, window=window)

    for i, (first, (start, end)) in enumerate(zip(firsts, spans, strict=True)):
        own = slice(first, first + end - start)
        expected = filled.expected(i, query[own], start, scaling, window)
        assert (out[own].float() - expected).abs().max().item() <= TOLERANCE[dtype] * expected.abs().max().item()


def drawn_lengths(rows: int) -> list[int]:
    rng = random.Random(rows)
    return [rng.choice([1, 15, 16, 17, 64, 65, rng.randint(1, 300)]) for _ in range(rows)]


@DTYPES
def test_each_row_attends_to_its_own_pages(dtype: torch.dtype) -> None:
    check_decode([1, 16, 17, 150, 65], LayerShape(2, 64, 64), 6, dtype)


@pytest.mark.full
@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("window", [None, 1, 20])
@DTYPES
def test_each_row_of_a_large_batch_attends_to_its_own_pages(rows: int, window: int | None, dtype: torch.dtype) -> None:
    parts = parts_for(rows, 2, 264)

    check_decode(drawn_lengths(rows), LayerShape(2, 64, 64), 6, dtype, window=window, parts=parts)


@pytest.mark.parametrize("dim", [64, 80, 96, 128])
@pytest.mark.parametrize("heads", [2, 14])
def test_heads_of_any_width_share_their_keys(dim: int, heads: int) -> None:
    check_decode([33, 70], LayerShape(2, dim, dim), heads, torch.float32, parts=1)
    check_prefill([(3, 20)], LayerShape(2, dim, dim), heads, torch.float32, None)


def test_keys_and_values_may_differ_in_width() -> None:
    check_decode([33, 70], LayerShape(2, 24, 40), 4, torch.float32)
    check_prefill([(0, 20)], LayerShape(2, 24, 40), 4, torch.float32, None)


@pytest.mark.parametrize("window", [1, 9, 64, 100])
def test_a_row_looks_no_further_back_than_the_window(window: int) -> None:
    check_decode([5, 64, 90, 230], LayerShape(1, 16, 16), 2, torch.float32, window=window)
    check_prefill([(0, 70), (64, 70), (100, 180)], LayerShape(1, 16, 16), 2, torch.float32, window)


def test_a_padded_row_gets_zeros() -> None:
    check_decode([40, 0, 3, 0], LayerShape(2, 16, 16), 4, torch.float32)


@DTYPES
def test_chunks_of_prompts_attend_to_what_was_cached_before(dtype: torch.dtype) -> None:
    check_prefill([(0, 1), (0, 70), (16, 40), (37, 38), (130, 200)], LayerShape(2, 64, 64), 4, dtype, None)


@pytest.mark.full
@pytest.mark.parametrize("dim", [64, 80, 96, 128])
@pytest.mark.parametrize("window", [None, 50])
@DTYPES
def test_long_prompts_in_chunks(dim: int, window: int | None, dtype: torch.dtype) -> None:
    check_prefill([(0, 512), (512, 700), (31, 95)], LayerShape(2, dim, dim), 4, dtype, window)


def test_few_rows_are_cut_into_more_parts_than_many() -> None:
    parts = [parts_for(rows, 8, 264) for rows in (1, 2, 32, 256)]

    assert parts == [32, 32, 2, 1]
