"""Log probabilities of the model itself, for the rows that ask."""

import pytest
import torch

from serving.sampling.draw import Draw
from serving.sampling.logprobs import logprobs_of
from serving.types import SamplingParams


def draw(count: int | None) -> Draw:
    return Draw(SamplingParams(temperature=0.1, logit_bias=((0, 50.0),), logprobs=count), 0, 0)


def test_they_are_the_log_softmax_whatever_the_sampling_changes() -> None:
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(3))

    reported = logprobs_of(logits, [draw(2), draw(None), draw(0)], [7, 8, 9])

    expected = logits.double().log_softmax(-1)
    assert set(reported) == {0, 2}
    assert reported[0].logprob == pytest.approx(float(expected[0, 7]))
    assert [token for token, _ in reported[0].top] == expected[0].topk(2).indices.tolist()
    assert [value for _, value in reported[0].top] == pytest.approx(expected[0].topk(2).values.tolist())
    assert (reported[2].token_id, reported[2].top) == (9, ())


def test_a_row_without_a_token_reports_nothing() -> None:
    assert logprobs_of(torch.full((1, 40), float("nan")), [draw(2)], [None]) == {}


def test_equal_tokens_are_ordered_alike_whatever_others_ask_for() -> None:
    logits = torch.zeros(2, 40)

    alone = logprobs_of(logits[:1], [draw(5)], [1])[0]
    together = logprobs_of(logits, [draw(5), draw(20)], [1, 1])[0]

    assert alone == together
