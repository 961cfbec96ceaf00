"""G: adapters that must be refused, added while others are served."""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lab.clients import Measurement, closed_loop, while_repeating
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, answered, medians, names, ratio
from benchmarks.lab.traffic import pick
from benchmarks.lab.verdict import check
from benchmarks.lab.weights import save_adapter
from serving.adapters.sources.source import SourceSettings
from serving.errors import AdapterCorrupt, AdapterIncompatible, InvalidRequest, ServingError, SourceRefused
from serving.service import Service

_PAUSE_S = 0.2
_HUGE_RANK = 16


@dataclass(frozen=True, slots=True)
class Attack:
    """A bad adapter: its source, the name it is added under, and the error that must refuse it."""

    kind: str
    source: str
    refusal: type[ServingError]
    name: str = "hostile"


async def run(lab: Lab) -> ScenarioResult:
    """A closed loop alone, and while every kind of bad adapter is added over and over; none may be accepted."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    largest = max(lab.profile.adapter_bytes(number) for number in range(count))
    sources = SourceSettings(weights_bytes=3 * largest)
    service = await lab.service(count, home="hostile", sources=sources)
    await lab.warm(service, names(count))
    attacks = await asyncio.to_thread(attacks_on, lab, lab.profile.adapters)
    refused: list[Attack] = []

    async def attack() -> None:
        for each in attacks:
            await attempt(service, each)
            refused.append(each)

    async def serve(number: int) -> Measurement:
        picked = pick("uniform", count, lab.profile.requests, lab.rng)
        return await closed_loop(service, lab.requests([f"a{model}" for model in picked]), lab.profile.concurrency)

    arms = [Arm("control", serve), Arm("under attack", lambda number: while_repeating(serve(number), attack, _PAUSE_S))]
    measurements = await lab.take_turns(arms)
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    compared = {
        "tokens/s, under attack / control": ratio(measurements, "under attack", "control"),
        "p99 ITL, under attack / control": ratio(measurements, "under attack", "control", "itl_p99_ms"),
    }
    return ScenarioResult(medians(measurements), compared, checks, {"refused": len(refused), "kinds": len(attacks)})


async def attempt(service: Service, attack: Attack) -> None:
    """Add the bad adapter. Raises AssertionError if it is accepted; an unexpected error propagates."""
    try:
        await service.add_adapter(attack.name, attack.source)
    except attack.refusal:
        return
    raise AssertionError(f"the {attack.kind} adapter was accepted")


def attacks_on(lab: Lab, good: int) -> list[Attack]:
    """One attack of every kind, made from adapter number `good`."""
    original = lab.adapter_folder(good, "bad-original")
    pickled, truncated = (_copy(original, kind) for kind in ("pickled", "truncated"))
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    weights = truncated / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    profile = lab.profile
    narrow = replace(profile.shape, intermediate=profile.shape.intermediate // 2)
    foreign = original.with_name("bad-foreign")
    save_adapter(replace(profile, shape=narrow), good, foreign, lab.seed)
    huge = original.with_name("bad-huge")
    ranks = tuple(_HUGE_RANK * rank for rank in profile.ranks)
    save_adapter(replace(profile, ranks=ranks), good, huge, lab.seed)
    return [
        Attack("pickled", f"file:{pickled}", SourceRefused),
        Attack("truncated", f"file:{truncated}", AdapterCorrupt),
        Attack("oversize", f"file:{huge}", SourceRefused),
        Attack("wrong base", f"file:{foreign}", AdapterIncompatible),
        Attack("path that climbs", f"file:{original}/../{original.name}", SourceRefused),
        Attack("unknown scheme", "ftp://example.org/adapter", SourceRefused),
        Attack("name that climbs", f"file:{original}", InvalidRequest, name="../climbs"),
    ]


def _copy(original: Path, kind: str) -> Path:
    copy = original.with_name(f"bad-{kind}")
    shutil.copytree(original, copy)
    return copy
