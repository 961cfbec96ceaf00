"""Drawing tokens: filters, seeds, independence of batch mates."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.sampling import sampling
from serving.sampling.draw import Draw
from serving.sampling.sampling import HEAD_TOKENS, sample
from serving.types import SamplingParams

VOCAB = 50


def draw(seed: int = 1, index: int = 0, **params: float) -> Draw:
    return Draw(SamplingParams(**params), seed, index)  # type: ignore[arg-type]


def logits_of(seed: int, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed)) * 2


@given(st.integers(0, 2**63), st.integers(0, 99), st.floats(0.05, 2), st.floats(0.05, 1), st.integers(0, VOCAB))
def test_a_draw_does_not_depend_on_batch_mates(
    seed: int, index: int, temperature: float, top_p: float, top_k: int
) -> None:
    logits = logits_of(seed % 1000, rows=5)
    own = draw(seed, index, temperature=temperature, top_p=top_p, top_k=top_k)
    others = [draw(seed + i, i, temperature=i / 2) for i in range(4)]

    alone = sample(logits[2:3], [own])
    together = sample(logits, [*others[:2], own, *others[2:]])

    assert together[2] == alone[0]


@given(st.integers(0, 1000), st.integers(1, 9))
def test_only_the_top_k_are_drawn(seed: int, top_k: int) -> None:
    logits = logits_of(seed)
    allowed = set(logits[0].topk(top_k).indices.tolist())

    drawn = {sample(logits, [draw(seed, i, temperature=1.5, top_k=top_k)])[0] for i in range(30)}

    assert drawn <= allowed


@given(st.integers(0, 1000), st.floats(0.01, 0.99))
def test_only_the_shortest_prefix_that_reaches_top_p_is_drawn(seed: int, top_p: float) -> None:
    logits = logits_of(seed)
    probabilities, order = logits[0].double().softmax(-1).sort(descending=True)
    count = int((probabilities.cumsum(0) - probabilities < top_p).sum())
    allowed = set(order[:count].tolist())

    drawn = {sample(logits, [draw(seed, i, top_p=top_p)])[0] for i in range(30)}

    assert drawn <= allowed


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.1, 0.7, 1.0, 4.0]),
    st.sampled_from([1.0, 0.95, 0.3]),
    st.sampled_from([0, 1, 40, HEAD_TOKENS, HEAD_TOKENS + 1, 9999]),
    st.sampled_from([0.0, 1e-4, 0.05]),
    st.sampled_from(["distinct", "equals", "peaked", "flat"]),
)
def test_the_likeliest_tokens_decide_as_the_whole_vocabulary_would(
    seed: int, temperature: float, top_p: float, top_k: int, min_p: float, shape: str
) -> None:
    logits = torch.randn(3, 4 * HEAD_TOKENS, generator=torch.Generator().manual_seed(seed)) * 3
    logits = {"distinct": logits, "equals": logits.round(), "peaked": logits * 5, "flat": logits * 0}[shape]
    draws = [draw(seed + i, i, temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p) for i in range(3)]

    drawn = sample(logits, draws)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "HEAD_TOKENS", logits.shape[1])
        assert drawn == sample(logits, draws)
    assert [sample(logits[i : i + 1], [draws[i]])[0] for i in range(3)] == drawn


@given(
    st.integers(0, 10**6),
    st.integers(1, 2 * HEAD_TOKENS),
    st.sampled_from([1.0, 0.3]),
    st.sampled_from([0, 1, 40, HEAD_TOKENS + 1]),
    st.sampled_from([0.0, 0.05]),
)
def test_what_a_grammar_leaves_is_drawn_as_from_the_whole_vocabulary(
    seed: int, left: int, top_p: float, top_k: int, min_p: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4 * HEAD_TOKENS, generator=generator) * 3
    masks = torch.rand(logits.shape, generator=generator).argsort(-1) < left
    plain = [draw(seed + i, i, top_p=top_p, top_k=top_k, min_p=min_p) for i in range(3)]
    draws = [replace(each, allowed=mask) for each, mask in zip(plain, masks, strict=True)]

    drawn = sample(logits, draws)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "HEAD_TOKENS", logits.shape[1])
        assert drawn == sample(logits.masked_fill(~masks, float("-inf")), plain)
    assert [sample(logits[i : i + 1], [draws[i]])[0] for i in range(3)] == drawn


def test_draws_follow_the_softmax() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))

    counts = Counter(sample(logits, [draw(7, i)])[0] for i in range(4000))

    for token, expected in enumerate([0.5, 0.3, 0.15, 0.05]):
        assert counts[token] / 4000 == pytest.approx(expected, abs=0.03)


def test_temperature_zero_and_nearly_zero_take_the_largest_logit() -> None:
    logits = logits_of(3, rows=4)

    assert sample(logits, [draw(temperature=0.0)] * 4) == logits.argmax(-1).tolist()
    assert sample(logits, [draw(temperature=1e-9)] * 4) == logits.argmax(-1).tolist()


def test_the_same_seed_draws_the_same_sequence_and_another_one_does_not() -> None:
    logits = torch.zeros(1, VOCAB)

    def sequence(seed: int) -> list[int | None]:
        return [sample(logits, [draw(seed, i)])[0] for i in range(20)]

    assert sequence(5) == sequence(5)
    assert sequence(5) != sequence(6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_yields_no_token_and_leaves_its_mates_alone(bad: float) -> None:
    logits = logits_of(1, rows=3)
    logits[1, 4] = bad

    drawn = sample(logits, [draw(temperature=t) for t in (0.0, 1.0, 1.0)])

    assert drawn[1] is None
    assert drawn[0] == logits[0].argmax().item()
    assert drawn[2] is not None
