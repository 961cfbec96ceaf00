"""How long an adapter needs from the disk's cache to its first token."""

import asyncio
import time
from dataclasses import replace

import torch

from benchmarks.lab.lab import Arm, Found, Lab, answered, difference, medians
from benchmarks.lab.load import Load, closed_loop
from benchmarks.lab.statistics import interval
from benchmarks.lab.verdict import check
from benchmarks.lab.weights import save_adapter

_LARGE = "large"

_TOKENS = 2
_COPIES = 9


async def run(lab: Lab) -> Found:
    """One caller asks for a large adapter: resident; and ingested, but not in memory."""
    profile = lab.profile
    nbytes = profile.rank_bytes(profile.large_rank)
    service = await lab.service(home="cold", budget_bytes=2 * nbytes)
    ranked = replace(profile, ranks=(profile.large_rank,))
    folder = save_adapter(ranked, 0, lab.folder / _LARGE, lab.seed)
    await service.add_adapter(_LARGE, f"file:{folder}")
    await lab.warm(service, [_LARGE])

    async def warm(number: int) -> Load:
        return await closed_loop(service, lab.asks([_LARGE], _TOKENS), 1)

    async def cold(number: int) -> Load:
        await service.evict(_LARGE)  # it stays in the page cache, where it has been since it was written
        return await warm(number)

    loads = await lab.take_turns([Arm("warm", warm), Arm("cold", cold)], rounds=profile.pairs)
    checks = await check(service, answered(loads, *loads), lab.rng)
    copy_s = await asyncio.to_thread(_copy_s, nbytes, torch.device(profile.device))
    compared = {
        "first token, cold − warm, ms": difference(loads, "cold", "warm", "ttft_p50_ms"),
        "load / copy of as many bytes": interval([turn.engine["load_seconds"] / copy_s for turn in loads["cold"]]),
    }
    return Found(medians(loads), compared, checks, {"adapter_bytes": nbytes, "copy_ms": 1e3 * copy_s})


def _copy_s(nbytes: int, device: torch.device) -> float:
    """The fastest of several copies from the host's memory, page-locked for a GPU, to the device."""
    source = torch.ones(nbytes, dtype=torch.uint8, pin_memory=device.type == "cuda")
    fastest = float("inf")
    for _ in range(_COPIES):
        started = time.perf_counter()
        source.to(device, copy=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest
