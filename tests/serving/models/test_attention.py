"""Attention over pages equals softmax(Q Kᵀ / √d) V over each sequence alone, whatever else is in its pages."""

import math

import pytest
import torch

from serving.kv.cache import KvCache, LayerShape
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.models.attention import attend, plan_attention, row_of

CPU = torch.device("cpu")
SHAPE = LayerShape(heads=2, key_dim=8, value_dim=6)
HEADS = 4
SCALING = 1 / math.sqrt(SHAPE.key_dim)
Spans = list[tuple[int, int]]


class Sequences:
    """Random queries, keys and values of sequences of these lengths, each with its own pages of a poisoned cache."""

    def __init__(self, lengths: list[int]) -> None:
        generator = torch.Generator().manual_seed(sum(lengths))
        self.queries = [torch.randn(n, HEADS, SHAPE.key_dim, generator=generator) for n in lengths]
        self.keys = [torch.randn(n, SHAPE.heads, SHAPE.key_dim, generator=generator) for n in lengths]
        self.values = [torch.randn(n, SHAPE.heads, SHAPE.value_dim, generator=generator) for n in lengths]
        numbers = iter(reversed(range(sum(map(pages_for, lengths)))))
        self.tables = [[next(numbers) for _ in range(pages_for(n))] for n in lengths]
        self.cache = KvCache({0: SHAPE}, sum(map(len, self.tables)), torch.float32, CPU)
        places = torch.arange(sum(map(len, self.tables)) * PAGE_TOKENS)
        self.cache.write(0, places, torch.full((len(places), SHAPE.elements_per_token), math.nan))

    def step(self, spans: Spans, decode_rows: int, window: int | None) -> torch.Tensor:
        own = [(slice(*span), i) for i, span in enumerate(spans)]
        rows = torch.cat([row_of(SHAPE, self.keys[i][at], self.values[i][at]) for at, i in own])
        plan = plan_attention(self.tables, spans, decode_rows, CPU)
        queries = torch.cat([self.queries[i][at] for at, i in own])
        return attend(queries, rows, self.cache, 0, plan, scaling=SCALING, window=window)

    def expected(self, spans: Spans, window: int | None) -> torch.Tensor:
        """One token and one head at a time."""
        out = []
        for i, (start, end) in enumerate(spans):
            for at in range(start, end):
                seen = slice(0 if window is None else max(0, at + 1 - window), at + 1)
                for head in range(HEADS):
                    shared = head * SHAPE.heads // HEADS
                    weights = (self.keys[i][seen, shared] @ self.queries[i][at, head] * SCALING).softmax(0)
                    out.append(weights @ self.values[i][seen, shared])
        return torch.stack(out).view(-1, HEADS * SHAPE.value_dim)


@pytest.mark.parametrize("window", [None, 1, 5, 16, 100])
def test_chunks_and_decode_steps_give_what_each_token_attends_to(window: int | None) -> None:
    sequences = Sequences([40, 3, 90])
    steps: list[tuple[Spans, int]] = [
        ([(0, 17), (0, 1), (0, 80)], 0),
        ([(17, 38), (1, 2), (80, 88)], 0),
        ([(38, 39), (2, 3), (88, 89)], 3),
    ]

    for spans, decode_rows in steps:
        got = sequences.step(spans, decode_rows, window)

        assert torch.allclose(got, sequences.expected(spans, window), atol=1e-5)


def test_decode_rows_come_first_in_a_mixed_step() -> None:
    sequences = Sequences([20, 70, 33])
    sequences.step([(0, 19), (0, 69), (0, 1)], 0, None)

    got = sequences.step([(19, 20), (69, 70), (1, 33)], 2, None)

    assert torch.allclose(got, sequences.expected([(19, 20), (69, 70), (1, 33)], None), atol=1e-5)


def test_rows_of_similar_length_are_read_together() -> None:
    tables = [list(range(i * 10, i * 10 + 10)) for i in range(4)]

    plan = plan_attention(tables, [(9, 10), (11, 12), (149, 150), (99, 100)], 4, CPU)

    assert [[int(n) for n in group.lengths] for group in plan.decode] == [[10, 12], [150], [100]]
    for group in plan.decode:
        assert group.pages.shape[1] * PAGE_TOKENS <= 2 * max(64, int(group.lengths.min()))


def test_a_page_that_is_begun_and_not_filled_is_cleared() -> None:
    plan = plan_attention([[4, 2]], [(0, 20)], 0, CPU)

    assert plan.fresh is not None
    assert plan.fresh.tolist() == [2]
    assert plan.write.tolist() == [*range(64, 80), *range(32, 36)]
    assert plan_attention([[4, 2]], [(0, 32)], 0, CPU).fresh is None
