"""Shorthand for asking a service, as the tests do."""

import itertools
from dataclasses import dataclass

from serving.frontend.streams import TokenStream
from serving.service import Service
from serving.types import End, GenerationRequest, Prepared, SamplingParams, TextPrompt, TokenEvent, TokenPrompt

GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)
_numbers = itertools.count()


@dataclass(frozen=True)
class Answer:
    tokens: list[int]
    text: str
    end: End
    events: list[TokenEvent]


async def prepare(
    service: Service,
    model: str,
    prompt: str | list[int],
    new_tokens: int | None,
    sampling: SamplingParams = GREEDY,
    *,
    choices: int = 1,
) -> Prepared:
    asked = TextPrompt(prompt) if isinstance(prompt, str) else TokenPrompt(tuple(prompt))
    return await service.prepare(model, asked, new_tokens, sampling, choices=choices)


async def start(
    service: Service,
    model: str,
    prompt: str | list[int] = "the cat",
    new_tokens: int = 16,
    *,
    sampling: SamplingParams = GREEDY,
    tenant: str = "somebody",
    granted: int | None = None,
    deadline_s: float | None = None,
) -> TokenStream:
    prepared = await prepare(service, model, prompt, new_tokens, sampling)
    granted = prepared.max_new_tokens if granted is None else granted
    request = GenerationRequest(f"r{next(_numbers)}", prepared, tenant, granted, deadline_s)
    return service.generate(request)


async def collect(stream: TokenStream) -> Answer:
    events = [event async for event in stream]
    assert [event.end is not None for event in events] == [False] * (len(events) - 1) + [True]
    end = events[-1].end
    assert end is not None
    return Answer(
        [token for event in events for token in event.token_ids], "".join(e.text for e in events), end, events
    )


async def ask(
    service: Service, model: str, prompt: str | list[int] = "the cat", new_tokens: int = 16, **more: object
) -> Answer:
    return await collect(await start(service, model, prompt, new_tokens, **more))  # type: ignore[arg-type]
