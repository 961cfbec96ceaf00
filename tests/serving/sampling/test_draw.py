"""The random numbers of a request are a function of its seed and of the position alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.sampling.draw import Draw
from serving.types import SamplingParams

PLAIN = SamplingParams()


@given(st.integers(-(1 << 63), (1 << 64) - 1), st.integers(0, 10_000))
def test_the_number_is_in_range_and_repeatable(seed: int, index: int) -> None:
    number = Draw(PLAIN, seed, index).uniform

    assert 0 <= number < 1
    assert number == Draw(SamplingParams(temperature=0.3), seed, index, [1, 2], 1).uniform


def test_numbers_of_different_seeds_and_positions_are_spread_evenly() -> None:
    numbers = [Draw(PLAIN, seed, index).uniform for seed in range(100) for index in range(100)]

    assert len(set(numbers)) == len(numbers)
    assert abs(sum(numbers) / len(numbers) - 0.5) < 0.01
    assert all(abs(sum(tenth <= n * 10 < tenth + 1 for n in numbers) - 1000) < 150 for tenth in range(10))


def test_only_grammars_biases_withheld_tokens_and_penalties_change_logits() -> None:
    assert not Draw(SamplingParams(temperature=0.1, top_k=3, top_p=0.5, min_p=0.1, logprobs=4), 0, 0).changes_logits
    assert Draw(PLAIN, 0, 0, allowed=torch.ones(3, dtype=torch.bool)).changes_logits
    assert Draw(PLAIN, 0, 0, withheld={1}).changes_logits
    for changing in (
        SamplingParams(logit_bias=((1, 1.0),)),
        SamplingParams(repetition_penalty=1.1),
        SamplingParams(frequency_penalty=0.1),
        SamplingParams(presence_penalty=0.1),
    ):
        assert Draw(changing, 0, 0).changes_logits
