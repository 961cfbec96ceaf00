"""The ceilings follow from the bytes and products that no implementation can avoid."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.roofline import (
    H200,
    Decode,
    adapter_bytes,
    distinct,
    hit_rate,
    kv_token_bytes,
    resident_adapters,
    shares,
    swap_seconds,
    weight_bytes,
)

LLAMA_8B = PROFILES["gpu"].shape


def test_llama_8b_in_bytes() -> None:
    assert weight_bytes(LLAMA_8B) == 2 * (32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 128256 * 4096)
    assert adapter_bytes(LLAMA_8B, 16) == 83_886_080
    assert kv_token_bytes(LLAMA_8B) == 131_072
    assert swap_seconds(H200, LLAMA_8B, 16) == pytest.approx(1.68e-3, rel=0.01)


@pytest.mark.parametrize(
    ("rows", "floor_ms", "tokens_per_s"), [(32, 3.99, 8020), (128, 5.49, 23323), (256, 7.49, 34198)]
)
def test_the_floor_without_adapters(rows: int, floor_ms: float, tokens_per_s: float) -> None:
    floor_s = Decode(LLAMA_8B, rows, 512).seconds(H200)

    assert 1e3 * floor_s == pytest.approx(floor_ms, abs=0.005)
    assert rows / floor_s == pytest.approx(tokens_per_s, abs=0.5)


@pytest.mark.parametrize(
    ("rows", "adapters", "ceiling"), [(32, 1, 1.00), (32, 32, 0.86), (64, 64, 0.78), (128, 128, 0.69), (256, 256, 0.60)]
)
def test_the_ceiling_with_distinct_adapters(rows: int, adapters: int, ceiling: float) -> None:
    assert Decode(LLAMA_8B, rows, 512).ceiling(H200, adapters, 16) == pytest.approx(ceiling, abs=0.006)


@pytest.mark.parametrize(
    ("rows", "registered", "uniform", "zipf"), [(32, 64, 0.89, 0.92), (128, 1000, 0.70, 0.79), (256, 1000, 0.63, 0.75)]
)
def test_the_ceiling_by_popularity(rows: int, registered: int, uniform: float, zipf: float) -> None:
    step = Decode(LLAMA_8B, rows, 512)

    assert step.ceiling(H200, distinct(rows, registered, "uniform"), 16) == pytest.approx(uniform, abs=0.006)
    assert step.ceiling(H200, distinct(rows, registered, "zipf"), 16) == pytest.approx(zipf, abs=0.006)


def test_a_large_batch_is_bound_by_products() -> None:
    step = Decode(LLAMA_8B, 2048, 1)

    assert step.seconds(H200) == step.flops(0) / H200.flops_per_s
    assert step.seconds(H200, 1, 16) == step.flops(16) / H200.flops_per_s


@given(st.integers(1, 256), st.integers(1, 300), st.sampled_from(["uniform", "zipf"]))
def test_a_batch_has_no_more_adapters_than_rows_or_than_there_are(rows: int, registered: int, popularity: str) -> None:
    found = distinct(rows, registered, popularity)  # type: ignore[arg-type]

    assert 1 - 1e-9 <= found <= min(rows, registered) + 1e-9
    assert sum(shares(registered, popularity)) == pytest.approx(1)  # type: ignore[arg-type]


def test_distinct_adapters_are_those_of_drawn_batches() -> None:
    rng = random.Random(5)
    drawn = [len(set(rng.choices(range(50), weights=shares(50, "zipf"), k=32))) for _ in range(3000)]

    assert distinct(32, 50, "zipf") == pytest.approx(sum(drawn) / len(drawn), rel=0.01)


def test_what_fits_an_h200() -> None:
    fits = [
        resident_adapters(149e9, LLAMA_8B, 16, rows=rows, context_tokens=512, workspace_bytes=4e9) for rows in (32, 256)
    ]

    assert fits == [1511, 1332]
    assert hit_rate(1200, 2000) == pytest.approx(0.94, abs=0.005)
    assert resident_adapters(1e9, LLAMA_8B, 16, rows=1, context_tokens=1, workspace_bytes=0) == 0
