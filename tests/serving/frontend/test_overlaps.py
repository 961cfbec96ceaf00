"""All verbs at once, at random: accepted requests finish with the right bytes, and nothing is left over."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serving.adapters.store import KEPT_EARLIER
from serving.errors import AdapterBusy, ModelNotFound, NameTaken, SourceUnavailable
from serving.service import Service
from serving.types import AdapterDigest, Outcome
from tests.serving.asking import ask, collect, start
from tests.serving.conftest import StartService
from tests.serving.frontend.mutable_source import MutableSource, stored

PROMPT = [7, 8, 9]
NAMES = ("x", "org/y", "z")


@dataclass
class Overlaps:
    """Random verbs on few names and sources at once, and what each may see."""

    service: Service
    sources: list[MutableSource]
    versions: list[Path]
    tokens: dict[AdapterDigest, list[int]]
    rng: random.Random
    clock: int = 0
    busy: Counter[str] = field(default_factory=Counter)
    changed_at: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    async def run(self, turns: int) -> None:
        for _ in range(turns):
            verb = self.rng.choice(
                [self.load, self.load, self.load, self.ask, self.ask, self.memory, self.memory, self.remove]
            )
            await verb(self.rng.choice(NAMES))
            await asyncio.sleep(self.rng.choice([0, 0, 0.005]))

    async def write(self, turns: int) -> None:
        for _ in range(turns):
            await self.rng.choice(self.sources).overwrite(self.rng.choice(self.versions))
            await asyncio.sleep(self.rng.uniform(0, 0.6))

    async def load(self, name: str) -> None:
        source, replace, began = self.rng.choice(self.sources), self.rng.random() < 0.7, self.tick()
        oldest, alone = len(source.history) - 1, not self.busy[name]
        self.busy[name] += 1
        task = asyncio.ensure_future(self.service.add_adapter(name, source.spelled, replace=replace))
        if self.rng.random() < 0.1:
            asyncio.get_running_loop().call_later(self.rng.uniform(0, 0.3), task.cancel)
        try:
            card = await task
        except (NameTaken, AdapterBusy, SourceUnavailable, asyncio.CancelledError) as refusal:
            self.done[type(refusal).__name__] += 1
            return
        finally:
            self.busy[name] -= 1
            overlapped = self.busy[name] > 0 or self.changed_at[name] > began
            self.changed_at[name] = self.tick()
        self.done["loaded"] += 1
        if not overlapped and alone:
            assert card.adapter in source.history[oldest:], "bytes that the source had before the request, or a mixture"
            assert self.service.model(name).adapter == card.adapter
        assert card.adapter in {digest for each in self.sources for digest in each.history}

    async def ask(self, name: str) -> None:
        model = name
        try:
            if self.rng.random() < 0.2 and (adapter := self.service.model(name).adapter):
                model = f"{name}@{adapter}"
            stream = await start(self.service, model, PROMPT, 3)
        except ModelNotFound:
            return
        answer = await collect(stream)
        assert answer.end.outcome is Outcome.FINISHED, "an accepted request lost its adapter"
        assert stream.adapter is not None
        assert answer.tokens == self.tokens[stream.adapter]
        self.done["asked"] += 1

    async def memory(self, name: str) -> None:
        verb = self.rng.choice([self.service.pin, self.service.unpin, self.service.evict])
        try:
            adapter = self.service.model(name).adapter
            await verb(self.rng.choice([name, f"{name}@{adapter}"]))
        except (ModelNotFound, AdapterBusy):
            return
        self.done[verb.__name__] += 1

    async def remove(self, name: str) -> None:
        self.busy[name] += 1
        try:
            await self.service.remove_adapter(name)
        except (ModelNotFound, AdapterBusy):
            return
        finally:
            self.busy[name] -= 1
            self.changed_at[name] = self.tick()
        self.done["removed"] += 1


@pytest.mark.parametrize("seed", range(3))
async def test_overlapping_verbs_serve_whole_late_versions_and_leave_nothing_behind(
    seed: int, start_service: StartService, versions: list[Path], tmp_path: Path
) -> None:
    service = await start_service()
    tokens = {}
    for i, version in enumerate(versions):
        adapter = (await service.add_adapter(f"v{i}", f"file:{version}")).adapter
        assert adapter is not None
        tokens[adapter] = (await ask(service, f"v{i}", PROMPT, 3)).tokens
    assert len({tuple(each) for each in tokens.values()}) > len(versions) // 2
    for i in range(len(versions)):
        await service.remove_adapter(f"v{i}")
    sources = [MutableSource(tmp_path / f"s{i}", versions[i]) for i in range(2)]
    overlaps = Overlaps(service, sources, versions, tokens, random.Random(seed))

    writing = asyncio.create_task(overlaps.write(1000))
    await asyncio.gather(*(overlaps.run(20) for _ in range(8)))
    writing.cancel()

    print(f"seed {seed}: {dict(overlaps.done)}")
    assert overlaps.done["loaded"] > 5
    named = {card.adapter for card in service.models() if card.adapter}
    on_disk = {path.name for path in (tmp_path / "adapters" / "versions").iterdir()}
    assert named <= on_disk
    assert len(on_disk) <= len(NAMES) * (1 + KEPT_EARLIER)
    for name in NAMES:
        if service.has(name):
            await service.remove_adapter(name)
    stats = service.stats()
    assert (stats.adapter_used_bytes, stats.adapters_resident) == (0, 0), "something is in memory without a name"
    # a load whose caller was cancelled may still be fetching, and deletes what it brings
    for _ in range(1000):
        if stored(tmp_path / "adapters"):
            await asyncio.sleep(0.02)
    assert stored(tmp_path / "adapters") == set(), "something is on disk without a name"
