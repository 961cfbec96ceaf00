"""Requests with a schema in a running engine: valid under every way of drawing, and independent of their mates."""

import asyncio
from dataclasses import replace

import pytest
import torch

from serving.errors import InvalidRequest
from serving.frontend.streams import TokenStream
from serving.service import Service
from serving.types import GenerationRequest, Outcome, SamplingParams, TextPrompt
from tests.serving.asking import Answer, ask, collect
from tests.serving.sampling.test_grammar import ANYTHING, SCHEMA, Visit
from tests.serving.tiny import VOCAB, tokenizer


async def start(service: Service, number: int, count: int = 1, *, sampling: SamplingParams) -> TokenStream:
    prepared = await service.prepare("a0", TextPrompt("the cat"), 200, sampling, choices=count, json_schema=SCHEMA)
    return service.generate(GenerationRequest(f"json{number}", prepared, "somebody", 200))


WHITE = tuple((tokenizer().convert_tokens_to_ids(blank), -100.0) for blank in "ĉĊčĠ")
"""White space is allowed between the parts of a value, and a random model is fond of it."""


def seeded(seed: int, **more: object) -> SamplingParams:
    sampling = SamplingParams(temperature=1.2, seed=seed, logit_bias=WHITE)
    return replace(sampling, **more)  # type: ignore[arg-type]


FIELDS: list[SamplingParams] = [
    seeded(1),
    seeded(2, top_k=3),
    seeded(3, top_p=0.5),
    seeded(4, min_p=0.2, repetition_penalty=3.0),
    seeded(5, frequency_penalty=2.0, presence_penalty=2.0),
    seeded(6, logit_bias=(*WHITE, *((token, 100.0) for token in range(300, 329)))),
    seeded(7, logit_bias=(*WHITE, (1, 100.0))),
    seeded(8, temperature=0.0),
]


async def test_every_way_of_drawing_keeps_to_the_grammar(service: Service) -> None:
    answers = await asyncio.gather(
        *[collect(await start(service, i, sampling=sampling)) for i, sampling in enumerate(FIELDS)]
    )

    for answer in answers:
        assert answer.end.finish_reason == "stop"
        Visit.model_validate_json(answer.text)


async def test_a_draw_does_not_depend_on_batch_mates(service: Service) -> None:
    async def run(number: int, seed: int) -> Answer:
        return await collect(await start(service, number, sampling=seeded(seed)))

    alone = [await run(seed, seed) for seed in range(3)]
    free = await ask(service, "a1", "hello", 30, sampling=seeded(9, ignore_eos=True))

    *together, freely = await asyncio.gather(
        *(run(10 + seed, seed) for seed in range(3)),
        ask(service, "a1", "hello", 30, sampling=seeded(9, ignore_eos=True)),
    )

    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert freely.tokens == free.tokens


async def test_each_choice_follows_the_grammar_by_itself(service: Service) -> None:
    answer = await collect(await start(service, 0, 4, sampling=seeded(20)))

    texts = ["".join(event.text for event in answer.events if event.choice == choice) for choice in range(4)]
    assert len({Visit.model_validate_json(text).name for text in texts}) > 1


async def test_an_output_that_is_cut_short_is_the_beginning_of_a_value(service: Service) -> None:
    prepared = await service.prepare("a0", TextPrompt("the cat"), 3, seeded(1), json_schema=SCHEMA)

    answer = await collect(service.generate(GenerationRequest("cut", prepared, "somebody", 3)))

    assert answer.end.finish_reason == "length"
    assert answer.text.startswith("{")


class Failing:
    """A grammar, and its only matcher, that fails after three tokens."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._tokens = 0

    def matcher(self) -> "Failing":
        return self

    def allowed(self) -> torch.Tensor:
        return torch.full((VOCAB,), self.error is None)

    def advance(self, token: int) -> bool:
        self._tokens += 1
        self.error = "The grammar failed." if self._tokens == 3 else None
        return False


async def test_a_grammar_that_fails_fails_its_request_and_no_other(service: Service) -> None:
    other = asyncio.create_task(ask(service, "a0", "hello", 60))
    prepared = await service.prepare("a0", TextPrompt("the cat"), 200, seeded(1), json_schema=SCHEMA)
    stream = service.generate(GenerationRequest("fails", replace(prepared, grammar=Failing()), "somebody", 200))

    end = [event async for event in stream][-1].end

    assert end is not None
    assert (end.outcome, "grammar failed" in (end.error or "")) == (Outcome.FAILED, True)
    assert len((await other).tokens) == 60


@pytest.mark.parametrize("field", [{"ignore_eos": True}, {"min_tokens": 3}])
async def test_what_puts_off_the_end_is_refused_with_a_grammar(service: Service, field: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await service.prepare("a0", TextPrompt("the cat"), 20, seeded(1, **field), json_schema=ANYTHING)

    assert refused.value.param in field
