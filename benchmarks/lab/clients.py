"""Clients of a service: closed and open loops of requests, and what was measured while they ran."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.lab.statistics import percentile
from benchmarks.lab.traffic import Request
from serving.errors import Overloaded
from serving.service import Service
from serving.types import AdapterDigest, End, GenerationRequest, Outcome, SamplingParams, TokenLogprobs, TokenPrompt

GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)
_COUNTED = ("steps", "loads", "load_seconds", "evictions", "preemptions")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request received. Times are in seconds of time.perf_counter.

    due_s: when the request should have been sent, so a server that accepts late is charged for the delay.
    end: None if the request was refused because the queue was full.   logprobs: one per token if requested, else empty.
    """

    request: Request
    due_s: float
    tokens: tuple[int, ...]
    token_s: tuple[float, ...]
    end: End | None
    adapter: AdapterDigest | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether the request was accepted but not answered in full."""
        whole = len(self.tokens) == self.request.new_tokens
        return self.end is not None and not (self.end.outcome is Outcome.FINISHED and whole)

    @property
    def first_token_s(self) -> float:
        """Seconds from when the request was due to its first token (TTFT)."""
        return self.token_s[0] - self.due_s

    @property
    def gaps_s(self) -> list[float]:
        """Seconds between consecutive tokens (inter-token latencies)."""
        return [after - before for before, after in itertools.pairwise(self.token_s)]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One turn of an arm.

    engine: the increase of the engine's counters.   cpu_s: processor time of all threads of this process.
    """

    answers: tuple[Answer, ...]
    wall_s: float
    engine: dict[str, float] = field(default_factory=dict)
    cpu_s: float = 0.0

    def only(self, wanted: Callable[[Request], bool]) -> "Measurement":
        """The same turn with only the requests for which `wanted` holds."""
        return replace(self, answers=tuple(answer for answer in self.answers if wanted(answer.request)))

    def figures(self) -> dict[str, float]:
        """Counts, rates and latency percentiles by the names that result files use; NaN where nothing was answered."""
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


async def send(
    service: Service, request: Request, due_s: float | None = None, sampling: SamplingParams = GREEDY
) -> Answer:
    """Send one request and wait for its last token. Overloaded gives an Answer without end; other errors propagate."""
    due_s = time.perf_counter() if due_s is None else due_s
    prepared = await service.prepare(request.model, TokenPrompt(request.prompt_ids), request.new_tokens, sampling)
    generation = GenerationRequest(f"bench-{next(_numbers)}", prepared, request.tenant, request.new_tokens)
    try:
        stream = service.generate(generation)
    except Overloaded:
        return Answer(request, due_s, (), (), None, prepared.adapter)
    tokens: list[int] = []
    times: list[float] = []
    logprobs: list[TokenLogprobs] = []
    async for event in stream:
        tokens += event.token_ids
        times += [time.perf_counter()] * len(event.token_ids)
        logprobs += event.logprobs
    return Answer(request, due_s, tuple(tokens), tuple(times), stream.end, prepared.adapter, tuple(logprobs))


async def closed_loop(
    service: Service, requests: Sequence[Request], callers: int, after: AfterAnswer | None = None
) -> Measurement:
    """`callers` clients, each sending its next request when its last one is answered, until `requests` is used up.

    after: awaited with every answer before the same client sends again.
    """
    left = iter(requests)
    answers: list[Answer] = []

    async def caller() -> None:
        for request in left:
            answer = await send(service, request)
            answers.append(answer)
            if after is not None:
                await after(answer)

    with _Meter(service) as meter:
        await asyncio.gather(*(caller() for _ in range(min(callers, len(requests)))))
    return meter.measurement(answers)


async def open_loop(service: Service, requests: Sequence[Request], arrivals_s: Sequence[float]) -> Measurement:
    """Send every request at its own arrival time, whether or not earlier ones were answered."""

    async def send_at(request: Request, at_s: float) -> Answer:
        await asyncio.sleep(started + at_s - time.perf_counter())
        return await send(service, request, started + at_s)

    with _Meter(service) as meter:
        started = meter.started_s
        answers = await asyncio.gather(
            *(send_at(request, at_s) for request, at_s in zip(requests, arrivals_s, strict=True))
        )
    return meter.measurement(answers)


async def while_repeating(
    traffic: Awaitable[Measurement], event: Callable[[], Awaitable[None]], pause_s: float
) -> Measurement:
    """The traffic's measurement, with `event` repeated every `pause_s` seconds until the traffic ends.

    The event happens at least once and is never cut short. If it raises, the traffic is cancelled.
    """
    measurement = asyncio.ensure_future(traffic)
    try:
        await event()
        while not measurement.done():
            await asyncio.wait([measurement], timeout=pause_s)
            await event()
        return measurement.result()
    finally:
        measurement.cancel()


class _Meter:
    """Measures its block: wall time, processor time, and the increase of the engine's counters."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> "_Meter":
        self._before, self._cpu_s = self._service.stats(), time.process_time()
        self.started_s = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._wall_s, self._cpu_s = time.perf_counter() - self.started_s, time.process_time() - self._cpu_s
        self._after = self._service.stats()

    def measurement(self, answers: Sequence[Answer]) -> Measurement:
        counted = {name: getattr(self._after, name) - getattr(self._before, name) for name in _COUNTED}
        return Measurement(tuple(answers), self._wall_s, counted, self._cpu_s)
