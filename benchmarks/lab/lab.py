"""The lab of one scenario: a base and adapters on disk, services that serve them, and arms that take turns."""

import asyncio
import gc
import random
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.lab.clients import Answer, Measurement, closed_loop, open_loop
from benchmarks.lab.profiles import Lengths, Profile
from benchmarks.lab.registration import register_all
from benchmarks.lab.statistics import Interval, difference_interval, ratio_interval
from benchmarks.lab.traffic import Popularity, Request, arrivals, pick, prompt
from benchmarks.lab.verdict import Checks
from benchmarks.lab.weights import save_adapter, save_base
from benchmarks.processors import others_s, others_share
from serving.adapters.sources.source import SourceSettings
from serving.config import ServingConfig, StepThreads
from serving.service import Service

BASE = "base"
_WARM_TOKENS = 4
_MAX_QUEUE = 1 << 16


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What a scenario measured.

    arms: for every arm, the median of each figure over its turns.
    compared: intervals of ratios between arms, or of differences where the name says so.   notes: single numbers.
    """

    arms: dict[str, dict[str, float]]
    compared: dict[str, Interval]
    checks: Checks
    notes: dict[str, float] = field(default_factory=dict)


Turn = Callable[[int], Awaitable[Measurement]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the things that a scenario compares. run: does the work of the turn with the given number."""

    name: str
    run: Turn


class Lab:
    """A folder with the profile's base and adapters, and the services that `close` ends.

    threads: torch's threads, the same for the engine and the peers.
    step_threads: threads that share a step. The first service measures them and the later ones take them over;
    otherwise a comparison of two services might compare their choices.   measured_s: seconds spent in turns so far.
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
        """Write the base to the folder, which must not exist yet."""
        torch.set_num_threads(self.threads)  # an earlier engine may have changed it
        self.folder.mkdir()
        await asyncio.to_thread(save_base, self.profile, self.base, self.seed)

    async def close(self) -> None:
        """Stop the services and delete the folder."""
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
        """Start a service with the first `adapters` adapters registered under the names a0, a1, ….

        budget_bytes: device memory for adapters; None means enough for all of them.
        home: services with the same home share its files.
        """
        await self.register_offline(adapters, home)
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

    async def register_offline(self, adapters: int, home: str = "shared") -> None:
        """Register the first `adapters` adapters in a home that no service has open; those it has are kept."""

        def write(number: int, folder: Path) -> Path:
            return save_adapter(self.profile, number, folder, self.seed)

        await asyncio.to_thread(register_all, self._home(home), [(f"a{n}", n) for n in range(adapters)], write)

    async def register(self, service: Service, number: int, name: str | None = None) -> None:
        """Write adapter `number`, add it to a running service, and delete its source again. name: a<number> if None."""
        folder = await asyncio.to_thread(self.adapter_folder, number)
        await service.add_adapter(name or f"a{number}", f"file:{folder}")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def adapter_folder(self, number: int, into: str = "source") -> Path:
        """A folder with adapter `number` in PEFT's format, written on first use."""
        folder = self.folder / f"{into}-{number}"
        return folder if folder.exists() else save_adapter(self.profile, number, folder, self.seed)

    def adapters_bytes(self, count: int) -> int:
        """Device memory of the first `count` adapters."""
        return sum(self.profile.adapter_bytes(number) for number in range(count))

    def requests(
        self,
        models: Sequence[str],
        new_tokens: int | None = None,
        tenant: str = "bench",
        lengths: Lengths | None = None,
    ) -> list[Request]:
        """One request for each of `models`, each with its own random prompt. lengths: None means the profile's."""
        lengths = lengths or self.profile.lengths
        vocab, new_tokens = self.profile.shape.vocab, new_tokens or lengths.new
        return [Request(model, prompt(vocab, lengths.prompt, self.rng), new_tokens, tenant) for model in models]

    def models_of_turn(self, popularity: Popularity, models: Sequence[str], count: int, turn: int) -> list[str]:
        """The models of a turn's `count` requests, drawn by popularity: the same in all arms with the same models."""
        return [models[number] for number in pick(popularity, len(models), count, self.turn_rng(turn))]

    def turn_rng(self, turn: int) -> random.Random:
        """A generator seeded by the turn alone, so that all arms draw the same and none is lucky."""
        return random.Random(f"{self.seed}/{turn}")

    async def warm(self, service: Service, models: Sequence[str] = (BASE,)) -> None:
        """Send every model a request, in full batches, so that whatever can be loaded, compiled or cached is."""
        width = self.profile.concurrency
        asked = [*models, *(models[number % len(models)] for number in range(len(models), width))]
        await closed_loop(service, self.requests(asked, _WARM_TOKENS), width)

    async def saturation(self, service: Service, models: Sequence[str], lengths: Lengths) -> float:
        """Requests per second of a closed loop over these models. It runs twice; the first run is a warm-up."""
        measurements = [
            await closed_loop(service, self.requests(models, lengths=lengths), self.profile.concurrency)
            for _ in range(2)
        ]
        return measurements[-1].figures()["requests_per_s"]

    def zipf_turn(self, service: Service, adapters: int, rate_per_s: float) -> Turn:
        """A turn: an open loop of short requests to the first `adapters` adapters, with Zipf 1.0 popularity."""

        async def run(number: int) -> Measurement:
            models = self.models_of_turn("zipf", names(adapters), self.profile.open_requests, number)
            at_s = arrivals(rate_per_s, len(models), self.turn_rng(number))
            return await open_loop(service, self.requests(models, lengths=self.profile.open_lengths), at_s)

        return run

    async def take_turns(
        self, arms: Sequence[Arm], budget_share: float = 1.0, rounds: int | None = None
    ) -> dict[str, list[Measurement]]:
        """Run the arms in turn, every other round in reverse order; the measurements of each arm by its name.

        It stops after `rounds` (None: the profile's), or before a round that would exceed the scenario's time if it
        took as long as the longest so far. The first round always runs. Before it every arm runs once as a rehearsal
        that does not count (turn number `rounds`), so that no arm pays for one-time work; a quick profile skips this.
        """
        rounds = rounds or self.profile.rounds
        measurements: dict[str, list[Measurement]] = {arm.name: [] for arm in arms}
        for arm in arms if self.profile.grid != "quick" else []:
            await arm.run(rounds)
        started, longest_s, others_before = time.perf_counter(), 0.0, others_s()
        for number in range(rounds):
            began = time.perf_counter()
            if number and began - started + longest_s > self.profile.budget_s * budget_share:
                break
            for arm in arms if number % 2 == 0 else reversed(arms):
                measurements[arm.name].append(await arm.run(number))
            longest_s = max(longest_s, time.perf_counter() - began)
        self.measured_s += time.perf_counter() - started
        self._others_s += others_s() - others_before
        return measurements

    @property
    def others_share(self) -> float | None:
        """Share of all processors' time that other processes used while arms took turns; None if unknown."""
        return others_share(self._others_s, self.measured_s)

    def _home(self, name: str) -> Path:
        return self.folder / f"home-{name}"


def names(count: int, first: int = 0) -> list[str]:
    """Names of the adapters `first` to `count` - 1."""
    return [f"a{number}" for number in range(first, first + count)]


def medians(measurements: dict[str, list[Measurement]]) -> dict[str, dict[str, float]]:
    """For each arm, the median of every figure over its turns, and the number of `turns`."""
    per_arm = {}
    for arm, turns in measurements.items():
        figures = [turn.figures() for turn in turns]
        per_arm[arm] = {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        per_arm[arm]["turns"] = len(turns)
    return per_arm


def ratio(measurements: dict[str, list[Measurement]], above: str, below: str, figure: str = "tokens_per_s") -> Interval:
    """Interval of the ratio `above` / `below` of a figure of two arms, turn by turn."""
    return ratio_interval(*_turn_by_turn(measurements, above, below, figure))


def difference(measurements: dict[str, list[Measurement]], above: str, below: str, figure: str) -> Interval:
    """Interval of the difference `above` - `below` of a figure of two arms, turn by turn."""
    return difference_interval(*_turn_by_turn(measurements, above, below, figure))


def answered(measurements: dict[str, list[Measurement]], *arms: str) -> list[Answer]:
    """The answers of all turns of the named arms."""
    return [answer for arm in arms for load in measurements[arm] for answer in load.answers]


def _turn_by_turn(
    measurements: dict[str, list[Measurement]], left: str, right: str, figure: str
) -> tuple[list[float], list[float]]:
    of_left, of_right = ([turn.figures()[figure] for turn in measurements[arm]] for arm in (left, right))
    return of_left, of_right
