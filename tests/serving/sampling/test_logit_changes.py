"""Bias, withheld tokens and penalties, against Hugging Face's processors and the formulas themselves."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import MinPLogitsWarper, RepetitionPenaltyLogitsProcessor

from serving.sampling.draw import Draw
from serving.sampling.logit_changes import changed_logits
from serving.sampling.sampling import sample
from serving.types import SamplingParams

VOCAB = 40
tokens = st.lists(st.integers(0, VOCAB - 1), max_size=30)
penalties = st.floats(-2, 2)


def logits_of(seed: int, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed)) * 3


def draw(prompt: list[int], output: list[int], withheld: tuple[int, ...] = (), **params: object) -> Draw:
    sampling = SamplingParams(**params)  # type: ignore[arg-type]
    return Draw(sampling, sampling.seed or 0, len(output), prompt + output, len(prompt), withheld)


@given(st.integers(0, 99), tokens, tokens, st.floats(0.1, 10))
def test_the_repetition_penalty_is_hugging_face_s(seed: int, prompt: list[int], output: list[int], p: float) -> None:
    logits = logits_of(seed)
    ids = torch.tensor([prompt + output], dtype=torch.int64)

    changed = changed_logits(logits, [draw(prompt, output, repetition_penalty=p)])

    torch.testing.assert_close(changed, RepetitionPenaltyLogitsProcessor(p)(ids, logits.clone()))


@given(st.integers(0, 99), tokens, tokens, penalties, penalties)
def test_frequency_and_presence_penalties_follow_openai_s_formula(
    seed: int, prompt: list[int], output: list[int], frequency: float, presence: float
) -> None:
    logits = logits_of(seed)
    counts = Counter(output)
    expected = [
        logit - counts[token] * frequency - (counts[token] > 0) * presence
        for token, logit in enumerate(logits[0].tolist())
    ]

    asked = draw(prompt, output, frequency_penalty=frequency, presence_penalty=presence)

    torch.testing.assert_close(changed_logits(logits, [asked])[0], torch.tensor(expected))


@given(st.integers(0, 99), st.floats(0.01, 1), st.floats(0.2, 2))
def test_min_p_keeps_what_hugging_face_keeps(seed: int, min_p: float, temperature: float) -> None:
    logits = logits_of(seed)
    kept = MinPLogitsWarper(min_p)(torch.zeros(1, 0, dtype=torch.int64), logits / temperature)
    allowed = set(torch.isfinite(kept[0]).nonzero()[:, 0].tolist())

    asked = SamplingParams(temperature=temperature, min_p=min_p)

    assert {sample(logits, [Draw(asked, seed, i)])[0] for i in range(40)} <= allowed


@given(st.integers(0, 999), tokens, tokens, penalties, st.floats(0.5, 2), st.sampled_from([0.0, 1.0]))
def test_a_changed_draw_does_not_depend_on_batch_mates(
    seed: int, prompt: list[int], output: list[int], penalty: float, repetition: float, temperature: float
) -> None:
    logits = logits_of(seed, rows=4)
    own = draw(
        prompt,
        output,
        temperature=temperature,
        seed=seed,
        min_p=0.01,
        frequency_penalty=penalty,
        repetition_penalty=repetition,
        logit_bias=((3, 2.0),),
    )
    others = [
        draw(output, prompt, presence_penalty=1.5, logit_bias=((3, -5.0), (4, 5.0))),
        draw([], [], withheld=(1, 2)),
        draw([], []),
    ]

    alone = sample(logits[1:2], [own])
    together = sample(logits, [others[0], own, *others[1:]])

    assert together[1] == alone[0]
    assert torch.equal(changed_logits(logits[:2], [others[0], own])[1], changed_logits(logits[1:2], [own])[0])


@given(st.integers(0, 99), tokens)
def test_a_draw_that_asks_for_nothing_is_left_alone_beside_one_that_does(seed: int, output: list[int]) -> None:
    logits = logits_of(seed, rows=2)

    changed = changed_logits(logits, [draw([], output), draw([], output, presence_penalty=1.0)])

    assert torch.equal(changed[0], logits[0])
    assert torch.equal(logits, logits_of(seed, rows=2))


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
def test_a_bias_of_minus_100_forbids_and_of_plus_100_forces_a_token(temperature: float) -> None:
    logits = logits_of(5)
    first = int(logits.argmax())

    def drawn(bias: float) -> set[int | None]:
        asked = SamplingParams(temperature=temperature, logit_bias=((first, bias),))
        return {sample(logits, [Draw(asked, 1, i)])[0] for i in range(200)}

    assert first not in drawn(-100)
    assert drawn(100) == {first}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_withheld_tokens_are_not_drawn_and_those_past_the_vocabulary_do_no_harm(temperature: float) -> None:
    logits = logits_of(6)
    withheld = (int(logits.argmax()), VOCAB + 5)

    drawn = {
        sample(logits, [Draw(SamplingParams(temperature=temperature), 1, i, withheld=withheld)])[0] for i in range(50)
    }

    assert withheld[0] not in drawn
    assert None not in drawn


@given(
    st.integers(0, 99), st.sets(st.integers(0, VOCAB - 1), min_size=1), st.floats(0, 2), penalties, st.floats(0.1, 10)
)
def test_nothing_undoes_what_a_grammar_forbids(
    seed: int, allowed: set[int], temperature: float, penalty: float, repetition: float
) -> None:
    logits = logits_of(seed)
    mask = torch.tensor([token in allowed for token in range(VOCAB - 4)])  # an output layer may be wider
    asked = SamplingParams(
        temperature=temperature,
        presence_penalty=penalty,
        repetition_penalty=repetition,
        logit_bias=tuple((token, 100.0) for token in range(VOCAB)),
    )

    drawn = {sample(logits, [Draw(asked, 1, i, [*range(VOCAB)], 5, allowed=mask)])[0] for i in range(20)}

    assert drawn <= {token for token in allowed if token < VOCAB - 4} or (drawn == {None} and not mask.any())


def test_a_grammar_does_not_hide_numbers_that_are_not_finite() -> None:
    logits = logits_of(1)
    logits[0, 3] = float("nan")
    mask = torch.tensor([token == 7 for token in range(VOCAB)])

    assert sample(logits, [Draw(SamplingParams(), 1, 0, allowed=mask)]) == [None]
