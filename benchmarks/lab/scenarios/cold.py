"""How long an ingested adapter takes from the page cache to its first token."""

import asyncio
import time
from dataclasses import replace

import torch

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, answered, difference, medians
from benchmarks.lab.statistics import interval
from benchmarks.lab.verdict import check
from benchmarks.lab.weights import save_adapter

_LARGE = "large"

_TOKENS = 2
_COPIES = 9


async def run(lab: Lab) -> ScenarioResult:
    """First token of a large adapter for one caller: resident, and ingested but not in memory."""
    profile = lab.profile
    nbytes = profile.rank_bytes(profile.large_rank)
    service = await lab.service(home="cold", budget_bytes=2 * nbytes)
    ranked = replace(profile, ranks=(profile.large_rank,))
    folder = save_adapter(ranked, 0, lab.folder / _LARGE, lab.seed)
    await service.add_adapter(_LARGE, f"file:{folder}")
    await lab.warm(service, [_LARGE])

    async def warm(number: int) -> Measurement:
        return await closed_loop(service, lab.requests([_LARGE], _TOKENS), 1)

    async def cold(number: int) -> Measurement:
        await service.evict(_LARGE)  # it stays in the page cache since it was written
        return await warm(number)

    measurements = await lab.take_turns([Arm("warm", warm), Arm("cold", cold)], rounds=profile.pairs)
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    copy_s = await asyncio.to_thread(_copy_s, nbytes, torch.device(profile.device))
    compared = {
        "first token, cold − warm, ms": difference(measurements, "cold", "warm", "ttft_p50_ms"),
        "load / copy of as many bytes": interval(
            [turn.engine["load_seconds"] / copy_s for turn in measurements["cold"]]
        ),
    }
    return ScenarioResult(medians(measurements), compared, checks, {"adapter_bytes": nbytes, "copy_ms": 1e3 * copy_s})


def _copy_s(nbytes: int, device: torch.device) -> float:
    """Seconds of the fastest of several copies from host memory (page-locked for a GPU) to the device."""
    source = torch.ones(nbytes, dtype=torch.uint8, pin_memory=device.type == "cuda")
    fastest = float("inf")
    for _ in range(_COPIES):
        started = time.perf_counter()
        source.to(device, copy=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest
