"""Several outputs of one prompt: each as if asked for alone, the prompt computed and counted once, one End."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import pytest
import torch

from serving.engine.backbone import Backbone
from serving.engine.batch import Batch
from serving.errors import InvalidRequest
from serving.frontend.choices import MAX_CHOICES, MAX_OUTPUT_TOKENS, check_choices
from serving.frontend.streams import TokenStream
from serving.service import Service
from serving.types import GenerationRequest, Outcome, SamplingParams, TokenEvent
from tests.serving.asking import Answer, ask, collect, prepare
from tests.serving.test_service import idle

PROMPT = [5 + i % 300 for i in range(50)]
RANDOM = SamplingParams(temperature=1.0, seed=41, ignore_eos=True)


async def start(
    service: Service, choices: int, new_tokens: int = 12, *, sampling: SamplingParams = RANDOM, granted: int = 1 << 20
) -> TokenStream:
    prepared = await prepare(service, "a0", PROMPT, new_tokens, sampling, choices=choices)
    return service.generate(GenerationRequest("many", prepared, "somebody", granted))


def by_choice(answer: Answer) -> dict[int, list[TokenEvent]]:
    events: dict[int, list[TokenEvent]] = defaultdict(list)
    for event in answer.events:
        assert event.request_id == "many"
        events[event.choice].append(event)
    return events


async def test_choice_i_is_the_answer_to_the_request_with_seed_plus_i(service: Service) -> None:
    answer = await collect(await start(service, 4))

    for choice, events in by_choice(answer).items():
        alone = await ask(service, "a0", PROMPT, 12, sampling=replace(RANDOM, seed=41 + choice))
        assert [token for event in events for token in event.token_ids] == alone.tokens
        assert "".join(event.text for event in events) == alone.text
        assert [event.finish_reason for event in events] == [None] * (len(events) - 1) + [alone.end.finish_reason]
    assert len({tuple(e.token_ids for e in events) for events in by_choice(answer).values()}) > 1


async def test_the_prompt_is_computed_and_counted_once(service: Service) -> None:
    answer = await collect(await start(service, 5))

    assert (answer.end.usage.prompt_tokens, answer.end.usage.cached_tokens) == (50, 0)
    assert answer.end.usage.output_tokens == 5 * 12
    # each later choice finds the 3 full pages and computes the 2 tokens behind them
    assert service.stats().prompt_tokens == 50 + 4 * 2


async def test_the_request_is_cut_short_if_any_choice_was(service: Service) -> None:
    long = await ask(service, "a0", PROMPT, 12, sampling=replace(RANDOM, seed=42))
    stopping = replace(RANDOM, stop_token_ids=(long.tokens[3],))

    answer = await collect(await start(service, 3, sampling=stopping))

    reasons = {choice: events[-1].finish_reason for choice, events in by_choice(answer).items()}
    assert reasons[1] == "stop"
    assert answer.end.finish_reason == ("length" if "length" in reasons.values() else "stop")


@pytest.mark.parametrize("tokens_first", [0, 1, 4])
async def test_an_abort_ends_every_choice(service: Service, tokens_first: int) -> None:
    stream = await start(service, 3, 150)
    events = [await anext(stream) for _ in range(tokens_first)]

    service.abort("many")
    rest = [event async for event in stream]

    assert {event.choice for event in events + rest if event.finish_reason == "abort"} == {0, 1, 2}
    assert stream.end is not None
    assert stream.end.outcome is Outcome.ABORTED
    assert rest[-1].end == stream.end
    await idle(service)


async def test_closing_the_stream_ends_every_choice(service: Service) -> None:
    stream = await start(service, 3, 150)
    for _ in range(3):
        await anext(stream)

    await stream.aclose()

    await idle(service)
    assert stream.end is not None
    assert stream.end.outcome is Outcome.ABORTED


async def test_one_choice_that_fails_fails_the_request(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Backbone.forward

    @torch.inference_mode()
    def not_finite_for_the_last(self: Backbone, batch: Batch) -> torch.Tensor:
        logits = forward(self, batch)
        for row, sequence in enumerate(batch.sampling):
            if sequence.choice == 2 and sequence.output_len == 3:
                logits[row] = float("nan")
        return logits

    monkeypatch.setattr(Backbone, "forward", not_finite_for_the_last)
    stream = await start(service, 3, 150)
    rest = [event async for event in stream]

    assert rest[-1].end is not None
    assert rest[-1].end.outcome is Outcome.FAILED
    assert rest[-1].end.error is not None
    await idle(service)


async def test_what_is_granted_counts_for_each_choice(service: Service) -> None:
    stream = await start(service, 3, 12, granted=5)
    parked: set[int] = set()
    events: list[TokenEvent] = []
    while len(parked) < 3:
        events.append(await anext(stream))
        parked |= {events[-1].choice} if events[-1].parked else set()

    assert sum(len(event.token_ids) for event in events) == 3 * 5
    service.extend("many", 12)
    events += [event async for event in stream]

    assert sum(len(event.token_ids) for event in events) == 3 * 12


async def test_more_may_be_granted_before_the_later_choices_run(service: Service) -> None:
    stream = await start(service, 3, 12, granted=5)

    service.extend("many", 12)

    async with asyncio.timeout(20):
        assert (await collect(stream)).end.usage.output_tokens == 3 * 12


@pytest.mark.parametrize(("choices", "new_tokens"), [(0, 4), (MAX_CHOICES + 1, 4), (-1, 4)])
async def test_too_many_choices_are_refused(service: Service, choices: int, new_tokens: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await start(service, choices, new_tokens)

    assert refused.value.param == "n"


def test_all_choices_together_have_a_bound() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_choices(2, MAX_OUTPUT_TOKENS)

    assert refused.value.param == "n"
