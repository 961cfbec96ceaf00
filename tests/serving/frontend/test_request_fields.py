"""What a request may ask of its sampling, on a running service."""

import asyncio
from dataclasses import replace

import pytest
import torch

from serving.service import Service
from serving.types import SamplingParams
from tests.serving.asking import GREEDY, Answer, ask, prepare
from tests.serving.conftest import Folders
from tests.serving.tiny import peft_reference, tokenizer

PENALISED = SamplingParams(
    temperature=1.0,
    seed=5,
    ignore_eos=True,
    min_p=0.02,
    presence_penalty=0.4,
    frequency_penalty=0.3,
    repetition_penalty=1.2,
    logit_bias=((40, 3.0),),
    logprobs=4,
)
PROMPT = [20, 30, 40, 20]


def told(answer: Answer) -> list[tuple[int, float, tuple[tuple[int, float], ...]]]:
    return [(each.token_id, each.logprob, each.top) for event in answer.events for each in event.logprobs]


@pytest.mark.parametrize("model", [None, "a0", "a1", "a2"])
async def test_logprobs_are_the_log_softmax_of_the_model_itself(
    service: Service, folders: Folders, model: str | None
) -> None:
    answer = await ask(service, model or service.base_name, PROMPT, 24, sampling=PENALISED)
    reference = peft_reference(folders.base, folders.adapters)
    ids = torch.tensor([PROMPT + answer.tokens])
    with torch.inference_mode():
        if model is None:
            with reference.disable_adapter():
                logits = reference(input_ids=ids).logits
        else:
            reference.set_adapter(model)
            logits = reference(input_ids=ids).logits
    expected = logits[0, len(PROMPT) - 1 : -1].double().log_softmax(-1)

    assert [token for token, _, _ in told(answer)] == answer.tokens
    for row, (token, logprob, top) in zip(expected, told(answer), strict=True):
        assert logprob == pytest.approx(float(row[token]), abs=1e-3)
        assert [value for _, value in top] == pytest.approx(row.topk(4).values.tolist(), abs=1e-3)
        assert [value for _, value in top] == pytest.approx([float(row[one]) for one, _ in top], abs=1e-3)


async def test_logprobs_are_told_only_to_those_who_ask(service: Service) -> None:
    asking, other = await asyncio.gather(
        ask(service, "a0", sampling=replace(GREEDY, logprobs=0)), ask(service, "a0", sampling=GREEDY)
    )

    assert [(token, top) for token, _, top in told(asking)] == [(token, ()) for token in asking.tokens]
    assert told(other) == []


async def test_a_penalised_seed_gives_the_same_tokens_alone_and_in_company(service: Service) -> None:
    alone = await ask(service, "a1", PROMPT, 30, sampling=PENALISED)
    others = [
        replace(PENALISED, seed=8, presence_penalty=-1.0, logit_bias=((41, 100.0),), logprobs=20),
        replace(GREEDY, repetition_penalty=2.0),
        SamplingParams(seed=3, min_tokens=9),
    ]

    together, *_ = await asyncio.gather(
        ask(service, "a1", PROMPT, 30, sampling=PENALISED),
        *(
            ask(service, model, PROMPT, 30, sampling=each)
            for model, each in zip(("a0", "a1", "a2"), others, strict=True)
        ),
    )

    assert together.tokens == alone.tokens


async def test_the_frequency_penalty_counts_what_was_put_out(service: Service) -> None:
    forced = replace(GREEDY, logit_bias=((50, 100.0), (51, 99.0)), frequency_penalty=2.0)

    answer = await ask(service, "a0", PROMPT, 8, sampling=forced)

    assert set(answer.tokens) == {50, 51}


async def test_a_forbidden_token_never_comes(service: Service) -> None:
    free = await ask(service, "a0", PROMPT, 40, sampling=SamplingParams(seed=2, ignore_eos=True))
    named = set(free.tokens) & set(tokenizer().get_vocab().values())
    banned = tuple((token, -100.0) for token in named)

    answer = await ask(service, "a0", PROMPT, 40, sampling=SamplingParams(seed=2, ignore_eos=True, logit_bias=banned))

    assert len(named) > 5
    assert named.isdisjoint(answer.tokens)


async def test_a_stop_token_ends_the_output_and_its_text_is_not_shown(service: Service) -> None:
    whole = await ask(service, "a0", PROMPT, 40, sampling=GREEDY)
    stop = whole.tokens[6]
    end = whole.tokens.index(stop) + 1

    answer = await ask(service, "a0", PROMPT, 40, sampling=replace(GREEDY, stop_token_ids=(stop,)))

    assert answer.tokens == whole.tokens[:end]
    assert answer.text == tokenizer().decode(whole.tokens[: end - 1], skip_special_tokens=True)
    assert answer.end.finish_reason == "stop"
    assert answer.end.usage.output_tokens == end


async def test_nothing_stops_the_output_before_min_tokens(service: Service) -> None:
    eos = 1
    eager = SamplingParams(temperature=0, logit_bias=((eos, 100.0),), stop_token_ids=(60,))

    at_once = await ask(service, "a0", PROMPT, 30, sampling=eager)
    later = await ask(service, "a0", PROMPT, 30, sampling=replace(eager, min_tokens=7))

    assert at_once.tokens == [eos]
    assert len(later.tokens) == 8
    assert later.tokens.index(eos) == 7
    assert 60 not in later.tokens


async def test_a_stop_string_within_min_tokens_is_part_of_the_output(service: Service) -> None:
    whole = await ask(service, "a0", PROMPT, 20, sampling=GREEDY)
    stop = tokenizer().decode(whole.tokens[:4])[:2]

    answer = await ask(service, "a0", PROMPT, 20, sampling=replace(GREEDY, stop=(stop,), min_tokens=20))

    assert (answer.tokens, answer.text) == (whole.tokens, whole.text)


async def test_what_was_checked_is_accepted(service: Service) -> None:
    sampling = replace(PENALISED, min_tokens=4, stop_token_ids=tuple(range(64)))

    prepared = await prepare(service, "a0", PROMPT, 4, sampling)

    assert prepared.sampling == sampling
