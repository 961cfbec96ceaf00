"""G: adapters that must be refused, offered while others are served."""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lab.lab import Arm, Found, Lab, answered, medians, names, ratio
from benchmarks.lab.load import Load, besides, closed_loop
from benchmarks.lab.traffic import chosen
from benchmarks.lab.verdict import check
from benchmarks.lab.weights import save_adapter
from serving.adapters.sources.source import SourceSettings
from serving.errors import AdapterCorrupt, AdapterIncompatible, InvalidRequest, ServingError, SourceRefused
from serving.service import Service

_PAUSE_S = 0.2
_HUGE_RANK = 16


@dataclass(frozen=True, slots=True)
class Attack:
    """What is offered under which name, and the refusal it must meet."""

    kind: str
    source: str
    refusal: type[ServingError]
    name: str = "hostile"


async def run(lab: Lab) -> Found:
    """A closed loop alone, and while every kind of bad adapter is offered again and again. None may be accepted."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    largest = max(lab.profile.adapter_bytes(number) for number in range(count))
    sources = SourceSettings(weights_bytes=3 * largest)
    service = await lab.service(count, home="hostile", sources=sources)
    await lab.warm(service, names(count))
    attacks = await asyncio.to_thread(offered, lab, lab.profile.adapters)
    refused: list[Attack] = []

    async def attack() -> None:
        for each in attacks:
            await attempt(service, each)
            refused.append(each)

    async def serve(number: int) -> Load:
        picked = chosen("uniform", count, lab.profile.requests, lab.rng)
        return await closed_loop(service, lab.asks([f"a{model}" for model in picked]), lab.profile.concurrency)

    arms = [Arm("control", serve), Arm("under attack", lambda number: besides(serve(number), attack, _PAUSE_S))]
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, *loads), lab.rng)
    compared = {
        "tokens/s, under attack / control": ratio(loads, "under attack", "control"),
        "p99 ITL, under attack / control": ratio(loads, "under attack", "control", "itl_p99_ms"),
    }
    return Found(medians(loads), compared, checks, {"refused": len(refused), "kinds": len(attacks)})


async def attempt(service: Service, attack: Attack) -> None:
    """Offers the adapter. Raises AssertionError unless it is refused as it must be."""
    try:
        await service.add_adapter(attack.name, attack.source)
    except attack.refusal:
        return
    raise AssertionError(f"the {attack.kind} adapter was accepted")


def offered(lab: Lab, good: int) -> list[Attack]:
    """One of every kind, made from adapter number `good`."""
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
