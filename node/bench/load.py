"""Asking a service as clients would, and what came of it."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from node.bench.statistics import percentile
from node.bench.traffic import Ask
from serving.errors import Overloaded
from serving.service import Service
from serving.types import AdapterDigest, End, EngineStats, GenerationRequest, Outcome, SamplingParams, TokenPrompt

_GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)
_COUNTED = ("steps", "loads", "load_seconds", "evictions")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got. Times in seconds of one clock.

    due_s: when the request was to be sent, so that a server that is late to accept is not excused.
    end: None if the request was refused because the queue was full.
    """

    ask: Ask
    due_s: float
    tokens: tuple[int, ...]
    token_s: tuple[float, ...]
    end: End | None
    adapter: AdapterDigest | None = None

    @property
    def is_lost(self) -> bool:
        """Accepted, and yet not answered in full."""
        whole = len(self.tokens) == self.ask.new_tokens
        return self.end is not None and not (self.end.outcome is Outcome.FINISHED and whole)

    @property
    def first_token_s(self) -> float:
        return self.token_s[0] - self.due_s

    @property
    def gaps_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.token_s)]


@dataclass(frozen=True, slots=True)
class Load:
    """One turn of an arm. engine: what the engine counted meanwhile."""

    answers: tuple[Answer, ...]
    wall_s: float
    engine: dict[str, float] = field(default_factory=dict)

    def of(self, wanted: Callable[[Ask], bool]) -> "Load":
        """The part of the traffic that `wanted` picks."""
        return Load(tuple(answer for answer in self.answers if wanted(answer.ask)), self.wall_s, self.engine)

    def figures(self) -> dict[str, float]:
        answered = [answer for answer in self.answers if answer.token_s]
        first_ms = [1e3 * answer.first_token_s for answer in answered]
        gaps_ms = [1e3 * gap for answer in answered for gap in answer.gaps_s]
        return {
            "requests": len(self.answers),
            "refused": sum(answer.end is None for answer in self.answers),
            "lost": sum(answer.is_lost for answer in self.answers),
            "wall_s": self.wall_s,
            "requests_per_s": len(answered) / self.wall_s,
            "tokens_per_s": sum(len(answer.tokens) for answer in answered) / self.wall_s,
            "ttft_p50_ms": percentile(first_ms, 50),
            "ttft_p99_ms": percentile(first_ms, 99),
            "ttft_max_ms": percentile(first_ms, 100),
            "itl_p50_ms": percentile(gaps_ms, 50),
            "itl_p99_ms": percentile(gaps_ms, 99),
            **self.engine,
        }


AfterAnswer = Callable[[Answer], Awaitable[None]]


async def ask_once(service: Service, ask: Ask, due_s: float | None = None) -> Answer:
    """Asks and waits for the last token. Whatever the service raises, but Overloaded, is the caller's to see."""
    due_s = time.perf_counter() if due_s is None else due_s
    prepared = await service.prepare(ask.model, TokenPrompt(ask.prompt_ids), ask.new_tokens)
    request = GenerationRequest(f"bench-{next(_numbers)}", prepared, _GREEDY, ask.tenant, ask.new_tokens)
    try:
        stream = service.generate(request)
    except Overloaded:
        return Answer(ask, due_s, (), (), None, prepared.adapter)
    tokens: list[int] = []
    times: list[float] = []
    async for event in stream:
        tokens += event.token_ids
        times += [time.perf_counter()] * len(event.token_ids)
    return Answer(ask, due_s, tuple(tokens), tuple(times), stream.end, prepared.adapter)


async def closed_loop(service: Service, asks: Sequence[Ask], callers: int, after: AfterAnswer | None = None) -> Load:
    """`callers` who ask one after the other until all `asks` are answered. after: awaited before the next question."""
    left = iter(asks)
    answers: list[Answer] = []

    async def caller() -> None:
        for ask in left:
            answer = await ask_once(service, ask)
            answers.append(answer)
            if after is not None:
                await after(answer)

    before, started = service.stats(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(min(callers, len(asks)))))
    return Load(tuple(answers), time.perf_counter() - started, _counted(before, service.stats()))


async def open_loop(service: Service, asks: Sequence[Ask], arrivals_s: Sequence[float]) -> Load:
    """Every request at its own time, whatever became of the others."""

    async def send(ask: Ask, at_s: float) -> Answer:
        await asyncio.sleep(started + at_s - time.perf_counter())
        return await ask_once(service, ask, started + at_s)

    before, started = service.stats(), time.perf_counter()
    answers = await asyncio.gather(*(send(ask, at_s) for ask, at_s in zip(asks, arrivals_s, strict=True)))
    return Load(tuple(answers), time.perf_counter() - started, _counted(before, service.stats()))


async def besides(traffic: Awaitable[Load], event: Callable[[], Awaitable[None]], pause_s: float) -> Load:
    """The traffic's load, while `event` happens again and again: at least once, and whole every time."""
    load = asyncio.ensure_future(traffic)
    try:
        await event()
        while not load.done():
            await asyncio.wait([load], timeout=pause_s)
            await event()
        return load.result()
    finally:
        load.cancel()


def _counted(before: EngineStats, after: EngineStats) -> dict[str, float]:
    return {name: getattr(after, name) - getattr(before, name) for name in _COUNTED}
