"""The arenas give back the keys and values that were written, page by page, and zeros where nothing was."""

import pytest
import torch

from serving.kv.cache import KvCache, LayerShape, page_bytes
from serving.kv.pages import PAGE_TOKENS

SHAPES = {0: LayerShape(heads=2, key_dim=4, value_dim=3), 3: LayerShape(heads=1, key_dim=2, value_dim=2)}
CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_written_is_read_back_in_the_order_of_the_pages(dtype: torch.dtype) -> None:
    cache, shape = KvCache(SHAPES, 4, dtype, CPU), SHAPES[0]
    keys = torch.arange(2 * PAGE_TOKENS * 8, dtype=torch.float32).view(-1, 2, 4).to(dtype)
    values = -torch.arange(2 * PAGE_TOKENS * 6, dtype=torch.float32).view(-1, 2, 3).to(dtype)
    positions = torch.cat([torch.arange(PAGE_TOKENS) + page * PAGE_TOKENS for page in (3, 1)])

    cache.write(0, positions, torch.cat([keys.flatten(1), values.flatten(1)], dim=1))
    read_keys, read_values = cache.read(0, torch.tensor([[3, 1], [1, 0]]))

    assert read_keys.shape == (2, 2 * PAGE_TOKENS, shape.heads, shape.key_dim)
    assert torch.equal(read_keys[0], keys)
    assert torch.equal(read_values[0], values)
    assert torch.equal(read_keys[1, :PAGE_TOKENS], keys[PAGE_TOKENS:])
    assert not read_keys[1, PAGE_TOKENS:].any()


def test_a_cleared_page_holds_zeros_and_its_neighbours_are_untouched() -> None:
    cache = KvCache(SHAPES, 3, torch.float32, CPU)
    cache.arena(3).fill_(float("nan"))

    cache.clear(3, torch.tensor([1]))

    assert not cache.arena(3)[1].any()
    assert cache.arena(3)[[0, 2]].isnan().all()


def test_the_size_of_a_page_is_that_of_its_rows_in_all_layers() -> None:
    cache = KvCache(SHAPES, 1, torch.bfloat16, CPU)

    assert page_bytes(SHAPES, torch.bfloat16) == sum(cache.arena(layer).nbytes for layer in SHAPES)
