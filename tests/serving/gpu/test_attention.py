"""How attention is launched: parts per row, and which rows are stored. What it computes: test_attention_kernels."""

import pytest
import torch

from serving.gpu.attention import DecodeRows, attend_decode, busy_programs, parts_for, store_rows
from serving.kv.cache import LayerShape
from serving.kv.pages import PAGE_TOKENS
from tests.serving.gpu.machine import DEVICE


@pytest.mark.parametrize("rows", [1, 2, 7, 32, 256])
@pytest.mark.parametrize("kv_heads", [1, 3, 8])
def test_few_rows_are_split_until_the_device_is_busy(rows: int, kv_heads: int) -> None:
    parts = parts_for(rows, kv_heads, programs=264)

    assert parts in {1, 2, 4, 8, 16, 32}
    assert parts == 32 or parts * rows * kv_heads >= 264
    assert parts == 1 or (parts // 2) * rows * kv_heads < 264


def test_a_device_has_programs_to_be_busy_with() -> None:
    assert busy_programs(DEVICE) > 0


def test_rows_are_stored_at_their_places_and_padding_nowhere() -> None:
    arena = torch.zeros(3, PAGE_TOKENS, 6, device=DEVICE)
    rows = torch.arange(18.0, device=DEVICE).view(3, 6) + 1

    store_rows(arena, rows, torch.tensor([2 * PAGE_TOKENS + 5, -1, 0], device=DEVICE))

    expected = torch.zeros_like(arena)
    expected[2, 5], expected[0, 0] = rows[0], rows[2]
    assert torch.equal(arena, expected)


def test_the_number_of_parts_does_not_change_the_result() -> None:
    shape = LayerShape(heads=1, key_dim=16, value_dim=16)
    generator = torch.Generator().manual_seed(1)
    arena = torch.randn(8, PAGE_TOKENS, 32, generator=generator).to(DEVICE)
    query = torch.randn(1, 2, 16, generator=generator).to(DEVICE)
    pages, start = torch.arange(8, device=DEVICE), torch.tensor([0], device=DEVICE)
    lengths = torch.tensor([8 * PAGE_TOKENS - 3], device=DEVICE)

    whole, split = (
        attend_decode(query, arena, shape, DecodeRows(pages, start, lengths, parts), scaling=0.25, window=None)
        for parts in (1, 8)
    )

    assert torch.allclose(whole, split, atol=1e-5)
