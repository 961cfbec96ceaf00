"""Tiles cover every token once and never mix sequences or adapters."""

import random

import pytest
import torch

from serving.gpu.tiles import LARGE, SMALL, lora_tile_tokens, lora_tiles, prefill_tiles
from serving.lora.plan import LoraPlan
from serving.lora.slot import Slot
from tests.serving.lora.popularity import make_slot, planned

SLOTS = [make_slot(i, 4, {"m": 8}, d_in=8, dtype=torch.float32) for i in range(3)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tile_tokens", [SMALL, LARGE])
def test_every_token_of_an_adapter_is_in_one_tile(seed: int, tile_tokens: int) -> None:
    rng = random.Random(seed)
    owners, plan = planned([(rng.choice([None, *SLOTS]), rng.randrange(1, 150)) for _ in range(8)])
    assert plan is not None

    tiles = lora_tiles(plan, SLOTS.index, tile_tokens)

    covered: dict[int, Slot] = {}
    for row, start, tokens in tiles:
        assert 0 < tokens <= tile_tokens
        for token in range(start, start + tokens):
            assert token not in covered
            covered[token] = SLOTS[row]
    assert covered == {token: owner for token, owner in enumerate(owners) if owner is not None}


@pytest.mark.parametrize(("tokens", "size"), [(LARGE - 1, SMALL), (LARGE, LARGE)])
def test_tiles_are_large_where_a_segment_fills_one(tokens: int, size: int) -> None:
    plan = planned([(SLOTS[0], 1), (SLOTS[1], tokens)])[1]

    assert isinstance(plan, LoraPlan)
    assert lora_tile_tokens(plan) == size


def test_prefill_tiles_keep_position_and_pages() -> None:
    rows = [(3, 0, 5, 0), (8, 10, 10 + 9, 7)]

    assert prefill_tiles(rows, 4) == [(3, 4, 0, 0), (7, 1, 4, 0), (8, 4, 10, 7), (12, 4, 14, 7), (16, 1, 18, 7)]
