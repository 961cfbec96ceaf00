"""The temporary world of one run: a base, adapters, services over them, and arms that take turns."""

import asyncio
import random
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from node.bench.load import Answer, Load, closed_loop
from node.bench.profiles import Profile
from node.bench.statistics import Interval, ratio_interval
from node.bench.traffic import Ask, prompt
from node.bench.verdict import Checks
from node.bench.weights import save_adapter, save_base
from serving.adapters.sources.source import SourceSettings
from serving.config import ServingConfig
from serving.service import Service

BASE = "base"
_WARM_TOKENS = 2
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a scenario found.

    arms: the median of every figure over an arm's turns.   ratios: of arms that took turns.   notes: single numbers.
    """

    arms: dict[str, dict[str, float]]
    ratios: dict[str, Interval]
    checks: Checks
    notes: dict[str, float] = field(default_factory=dict)


Turn = Callable[[int], Awaitable[Load]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison. run: does the work of the given turn."""

    name: str
    run: Turn


class Lab:
    """A folder with the profile's base and adapters, and services that end with `close`."""

    def __init__(self, profile: Profile, folder: Path, seed: int) -> None:
        self.profile = profile
        self.seed = seed
        self.rng = random.Random(seed)
        self.base = folder / BASE
        self._folder = folder
        self._services = AsyncExitStack()

    async def prepare(self) -> None:
        self._folder.mkdir()
        await asyncio.to_thread(save_base, self.profile, self.base, self.seed)

    async def close(self) -> None:
        """Ends the services and frees the disk."""
        await self._services.aclose()
        await asyncio.to_thread(shutil.rmtree, self._folder)

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
        profile = self.profile
        config = ServingConfig(
            self.base,
            self._folder / f"home-{home}",
            device=profile.device,
            dtype=profile.dtype,
            max_model_len=profile.context_tokens,
            kv_bytes=profile.kv_bytes,
            adapter_device_bytes=budget_bytes or self.adapters_bytes(max(adapters, 1)),
            max_queue=1 << 16,
            sources=sources or SourceSettings(),
        )
        service = await Service.start(config)
        self._services.push_async_callback(service.close)
        there = {card.name for card in service.models()}
        missing = [number for number in range(adapters) if f"a{number}" not in there]
        for start in range(0, len(missing), _AT_ONCE):
            await asyncio.gather(*(self.register(service, number) for number in missing[start : start + _AT_ONCE]))
        return service

    async def register(self, service: Service, number: int, name: str | None = None) -> None:
        """Writes adapter `number` and has it ingested; its source is gone afterwards."""
        folder = await asyncio.to_thread(self.adapter_folder, number)
        await service.add_adapter(name or f"a{number}", f"file:{folder}")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def adapter_folder(self, number: int, into: str = "source") -> Path:
        """Adapter `number` in PEFT's format, in a folder of its own."""
        folder = self._folder / f"{into}-{number}"
        return folder if folder.exists() else save_adapter(self.profile, number, folder, self.seed)

    def adapters_bytes(self, count: int) -> int:
        return sum(self.profile.adapter_bytes(number) for number in range(count))

    def asks(self, models: Sequence[str], new_tokens: int | None = None, tenant: str = "bench") -> list[Ask]:
        """A request with a prompt of its own for each of `models`."""
        vocab, tokens = self.profile.shape.vocab, self.profile.prompt_tokens
        new_tokens = new_tokens or self.profile.new_tokens
        return [Ask(model, prompt(vocab, tokens, self.rng), new_tokens, tenant) for model in models]

    async def warm(self, service: Service, models: Sequence[str] = (BASE,)) -> None:
        """Has every model asked once, so that what can be resident is."""
        await closed_loop(service, self.asks(models, _WARM_TOKENS), self.profile.concurrency)

    async def take_turns(self, arms: Sequence[Arm], budget_share: float = 1.0) -> dict[str, list[Load]]:
        """Every arm's loads: in turn, every other round backwards, until `rounds` or the time is over.

        A round is begun only if one as long as the longest so far would still end in time; the first always is.
        """
        loads: dict[str, list[Load]] = {arm.name: [] for arm in arms}
        started, longest_s = time.perf_counter(), 0.0
        for number in range(self.profile.rounds):
            began = time.perf_counter()
            if began - started + longest_s > self.profile.budget_s * budget_share:
                break
            for arm in arms if number % 2 == 0 else reversed(arms):
                loads[arm.name].append(await arm.run(number))
            longest_s = max(longest_s, time.perf_counter() - began)
        return loads


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
    numerators, denominators = ([turn.figures()[figure] for turn in loads[arm]] for arm in (above, below))
    return ratio_interval(numerators, denominators)


def answered(loads: dict[str, list[Load]], *arms: str) -> list[Answer]:
    return [answer for arm in arms for load in loads[arm] for answer in load.answers]
