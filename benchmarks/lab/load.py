"""Asking a service as clients would, and what came of it."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.lab.statistics import percentile
from benchmarks.lab.traffic import Ask
from serving.errors import Overloaded
from serving.service import Service
from serving.types import (
    AdapterDigest,
    End,
    GenerationRequest,
    Outcome,
    SamplingParams,
    TokenLogprobs,
    TokenPrompt,
)

GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)
_COUNTED = ("steps", "loads", "load_seconds", "evictions", "preemptions")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got. Times in seconds of one clock.

    due_s: when the request was to be sent, so that a server that is late to accept is not excused.
    end: None if the request was refused because the queue was full.   logprobs: of every token, if they were asked for.
    """

    ask: Ask
    due_s: float
    tokens: tuple[int, ...]
    token_s: tuple[float, ...]
    end: End | None
    adapter: AdapterDigest | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()

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
    """One turn of an arm. engine: what the engine counted meanwhile.   cpu_s: of all threads of this process."""

    answers: tuple[Answer, ...]
    wall_s: float
    engine: dict[str, float] = field(default_factory=dict)
    cpu_s: float = 0.0

    def of(self, wanted: Callable[[Ask], bool]) -> "Load":
        """The part of the traffic that `wanted` picks."""
        return replace(self, answers=tuple(answer for answer in self.answers if wanted(answer.ask)))

    def figures(self) -> dict[str, float]:
        answered = [answer for answer in self.answers if answer.token_s]
        first_ms = [1e3 * answer.first_token_s for answer in answered]
        gaps_ms = [1e3 * gap for answer in answered for gap in answer.gaps_s]
        return {
            "requests": len(self.answers),
            "refused": sum(answer.end is None for answer in self.answers),
            "lost": sum(answer.is_lost for answer in self.answers),
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "requests_per_s": len(answered) / self.wall_s,
            "tokens_per_s": sum(len(answer.tokens) for answer in answered) / self.wall_s,
            "ttft_p50_ms": percentile(first_ms, 50),
            "ttft_p99_ms": percentile(first_ms, 99),
            "ttft_max_ms": percentile(first_ms, 100),
            "itl_p50_ms": percentile(gaps_ms, 50),
            "itl_p99_ms": percentile(gaps_ms, 99),
            **self.engine,
            **({"cpu_ms_per_step": 1e3 * self.cpu_s / self.engine["steps"]} if self.engine.get("steps") else {}),
        }


AfterAnswer = Callable[[Answer], Awaitable[None]]


async def ask_once(service: Service, ask: Ask, due_s: float | None = None, sampling: SamplingParams = GREEDY) -> Answer:
    """Asks and waits for the last token. Whatever the service raises, but Overloaded, is the caller's to see."""
    due_s = time.perf_counter() if due_s is None else due_s
    prepared = await service.prepare(ask.model, TokenPrompt(ask.prompt_ids), ask.new_tokens, sampling)
    request = GenerationRequest(f"bench-{next(_numbers)}", prepared, ask.tenant, ask.new_tokens)
    try:
        stream = service.generate(request)
    except Overloaded:
        return Answer(ask, due_s, (), (), None, prepared.adapter)
    tokens: list[int] = []
    times: list[float] = []
    logprobs: list[TokenLogprobs] = []
    async for event in stream:
        tokens += event.token_ids
        times += [time.perf_counter()] * len(event.token_ids)
        logprobs += event.logprobs
    return Answer(ask, due_s, tuple(tokens), tuple(times), stream.end, prepared.adapter, tuple(logprobs))


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

    with _Meter(service) as meter:
        await asyncio.gather(*(caller() for _ in range(min(callers, len(asks)))))
    return meter.load(answers)


async def open_loop(service: Service, asks: Sequence[Ask], arrivals_s: Sequence[float]) -> Load:
    """Every request at its own time, whatever became of the others."""

    async def send(ask: Ask, at_s: float) -> Answer:
        await asyncio.sleep(started + at_s - time.perf_counter())
        return await ask_once(service, ask, started + at_s)

    with _Meter(service) as meter:
        started = meter.started_s
        answers = await asyncio.gather(*(send(ask, at_s) for ask, at_s in zip(asks, arrivals_s, strict=True)))
    return meter.load(answers)


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


class _Meter:
    """What passes between the start and the end of its block: time, processor time, and what the engine counts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> "_Meter":
        self._before, self._cpu_s = self._service.stats(), time.process_time()
        self.started_s = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._wall_s, self._cpu_s = time.perf_counter() - self.started_s, time.process_time() - self._cpu_s
        self._after = self._service.stats()

    def load(self, answers: Sequence[Answer]) -> Load:
        counted = {name: getattr(self._after, name) - getattr(self._before, name) for name in _COUNTED}
        return Load(tuple(answers), self._wall_s, counted, self._cpu_s)
