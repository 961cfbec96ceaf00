"""The temporary world of one run: a base, adapters, services over them, and arms that take turns."""

import asyncio
import gc
import math
import os
import random
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.lab.load import Answer, Load, closed_loop, open_loop
from benchmarks.lab.profiles import Lengths, Profile
from benchmarks.lab.statistics import Interval, difference_interval, ratio_interval
from benchmarks.lab.stock import stock
from benchmarks.lab.traffic import Ask, Popularity, arrivals, chosen, prompt
from benchmarks.lab.verdict import Checks
from benchmarks.lab.weights import save_adapter, save_base
from benchmarks.provenance import others_s
from serving.adapters.sources.source import SourceSettings
from serving.config import ServingConfig, StepThreads
from serving.service import Service

BASE = "base"
_WARM_TOKENS = 4
_MAX_QUEUE = 1 << 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a scenario found.

    arms: the median of every figure over an arm's turns.   compared: of arms that took turns, ratios unless the name
    says otherwise.   notes: single numbers.
    """

    arms: dict[str, dict[str, float]]
    compared: dict[str, Interval]
    checks: Checks
    notes: dict[str, float] = field(default_factory=dict)


Turn = Callable[[int], Awaitable[Load]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison. run: does the work of the given turn."""

    name: str
    run: Turn


class Lab:
    """A folder with the profile's base and adapters, and services that end with `close`.

    threads: of torch, for the engine and the peers alike.   step_threads: that share a step, which the first service
    chooses for all, or a comparison of two services might be one of their choices.   measured_s: in turns so far.
    """

    def __init__(self, profile: Profile, folder: Path, seed: int, threads: int | None = None) -> None:
        self.profile = profile
        self.seed = seed
        self.rng = random.Random(seed)
        self.base = folder / BASE
        self.folder = folder
        self.threads = threads or torch.get_num_threads()
        self.step_threads: StepThreads | None = None
        self.measured_s = 0.0
        self._others_s = 0.0
        self._services = AsyncExitStack()

    async def prepare(self) -> None:
        torch.set_num_threads(self.threads)  # whatever an engine before this one thought best
        self.folder.mkdir()
        await asyncio.to_thread(save_base, self.profile, self.base, self.seed)

    async def close(self) -> None:
        """Ends the services and frees the disk."""
        await self._services.aclose()
        await asyncio.to_thread(shutil.rmtree, self.folder)
        gc.collect()  # the next scenario must not find this one's models in memory

    async def service(
        self,
        adapters: int = 0,
        *,
        home: str = "shared",
        budget_bytes: int | None = None,
        sources: SourceSettings | None = None,
    ) -> Service:
        """A service with the first `adapters` adapters registered, named a0, a1, ….

        budget_bytes: of the device, for adapters; None holds them all. Services of one home share its files.
        """
        await self.stock(adapters, home)
        profile = self.profile
        config = ServingConfig(
            self.base,
            self._home(home),
            device=profile.device,
            dtype=profile.dtype,
            max_model_len=profile.context_tokens,
            kv_bytes=profile.kv_bytes,
            adapter_device_bytes=budget_bytes or self.adapters_bytes(max(adapters, 1)),
            max_queue=_MAX_QUEUE,
            step_threads=self.step_threads,
            sources=sources or SourceSettings(),
        )
        service = await Service.start(config)
        self.step_threads = service.step_threads
        self._services.push_async_callback(service.close)
        return service

    async def stock(self, adapters: int, home: str = "shared") -> None:
        """Registers the first `adapters` adapters in a home that no service has open, but for those it has."""

        def write(number: int, folder: Path) -> Path:
            return save_adapter(self.profile, number, folder, self.seed)

        await asyncio.to_thread(stock, self._home(home), [(f"a{n}", n) for n in range(adapters)], write)

    async def register(self, service: Service, number: int, name: str | None = None) -> None:
        """Writes adapter `number` and has it ingested while the service runs; its source is gone afterwards."""
        folder = await asyncio.to_thread(self.adapter_folder, number)
        await service.add_adapter(name or f"a{number}", f"file:{folder}")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def adapter_folder(self, number: int, into: str = "source") -> Path:
        """Adapter `number` in PEFT's format, in a folder of its own."""
        folder = self.folder / f"{into}-{number}"
        return folder if folder.exists() else save_adapter(self.profile, number, folder, self.seed)

    def adapters_bytes(self, count: int) -> int:
        return sum(self.profile.adapter_bytes(number) for number in range(count))

    def asks(
        self,
        models: Sequence[str],
        new_tokens: int | None = None,
        tenant: str = "bench",
        lengths: Lengths | None = None,
    ) -> list[Ask]:
        """A request with a prompt of its own for each of `models`. lengths: None means the profile's."""
        lengths = lengths or self.profile.lengths
        vocab, new_tokens = self.profile.shape.vocab, new_tokens or lengths.new
        return [Ask(model, prompt(vocab, lengths.prompt, self.rng), new_tokens, tenant) for model in models]

    def picked(self, popularity: Popularity, models: Sequence[str], count: int, turn: int) -> list[str]:
        """Which of `models` are asked for in a turn: in all arms the same, as far as they have the same models."""
        return [models[number] for number in chosen(popularity, len(models), count, self.dice(turn))]

    def dice(self, turn: int) -> random.Random:
        """The random numbers of a turn, the same for all arms, so that luck favours none."""
        return random.Random(f"{self.seed}/{turn}")

    async def warm(self, service: Service, models: Sequence[str] = (BASE,)) -> None:
        """Has every model asked once, at full width, so that what can be resident, compiled or cached is."""
        width = self.profile.concurrency
        asked = [*models, *(models[number % len(models)] for number in range(len(models), width))]
        await closed_loop(service, self.asks(asked, _WARM_TOKENS), width)

    async def saturation(self, service: Service, models: Sequence[str], lengths: Lengths) -> float:
        """Requests per second of a closed loop over these models; the second of two, the first warms up."""
        loads = [
            await closed_loop(service, self.asks(models, lengths=lengths), self.profile.concurrency) for _ in range(2)
        ]
        return loads[-1].figures()["requests_per_s"]

    def zipf_turn(self, service: Service, adapters: int, rate_per_s: float) -> Turn:
        """An open loop of short requests for the first `adapters` adapters, Zipf 1.0."""

        async def run(number: int) -> Load:
            models = self.picked("zipf", names(adapters), self.profile.open_requests, number)
            at_s = arrivals(rate_per_s, len(models), self.dice(number))
            return await open_loop(service, self.asks(models, lengths=self.profile.open_lengths), at_s)

        return run

    async def take_turns(
        self, arms: Sequence[Arm], budget_share: float = 1.0, rounds: int | None = None
    ) -> dict[str, list[Load]]:
        """Every arm's loads: in turn, every other round backwards, until `rounds` or the time is over.

        rounds: None means the profile's. A round is begun only if one as long as the longest so far would still end in
        time; the first always is. Before all, every arm has the turn number `rounds` as a rehearsal that does not
        count, so that nobody pays for what is only done once; a quick profile does without.
        """
        rounds = rounds or self.profile.rounds
        loads: dict[str, list[Load]] = {arm.name: [] for arm in arms}
        for arm in arms if self.profile.grid != "quick" else []:
            await arm.run(rounds)
        started, longest_s, others_before = time.perf_counter(), 0.0, others_s()
        for number in range(rounds):
            began = time.perf_counter()
            if number and began - started + longest_s > self.profile.budget_s * budget_share:
                break
            for arm in arms if number % 2 == 0 else reversed(arms):
                loads[arm.name].append(await arm.run(number))
            longest_s = max(longest_s, time.perf_counter() - began)
        self.measured_s += time.perf_counter() - started
        self._others_s += others_s() - others_before
        return loads

    @property
    def others_share(self) -> float | None:
        """The part of all processors' time that other processes used while arms took turns; None if nobody can tell."""
        share = self._others_s / (self.measured_s * (os.cpu_count() or 1)) if self.measured_s else math.nan
        return None if math.isnan(share) else round(share, 3)

    def _home(self, name: str) -> Path:
        return self.folder / f"home-{name}"


def names(count: int, first: int = 0) -> list[str]:
    return [f"a{number}" for number in range(first, first + count)]


def medians(loads: dict[str, list[Load]]) -> dict[str, dict[str, float]]:
    """The median of every figure over the turns of each arm."""
    found = {}
    for arm, turns in loads.items():
        figures = [turn.figures() for turn in turns]
        found[arm] = {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        found[arm]["turns"] = len(turns)
    return found


def ratio(loads: dict[str, list[Load]], above: str, below: str, figure: str = "tokens_per_s") -> Interval:
    """A figure of one arm over that of another, turn by turn."""
    return ratio_interval(*_turn_by_turn(loads, above, below, figure))


def difference(loads: dict[str, list[Load]], above: str, below: str, figure: str) -> Interval:
    """A figure of one arm less that of another, turn by turn."""
    return difference_interval(*_turn_by_turn(loads, above, below, figure))


def answered(loads: dict[str, list[Load]], *arms: str) -> list[Answer]:
    return [answer for arm in arms for load in loads[arm] for answer in load.answers]


def _turn_by_turn(loads: dict[str, list[Load]], one: str, other: str, figure: str) -> tuple[list[float], list[float]]:
    of_one, of_other = ([turn.figures()[figure] for turn in loads[arm]] for arm in (one, other))
    return of_one, of_other
