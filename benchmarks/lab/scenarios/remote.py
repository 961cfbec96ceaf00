"""D: adapters that arrive from a slow hub, with stalls and errors, while others are served."""

import asyncio
import itertools
import shutil
import statistics
import time

from benchmarks.lab.clients import Answer, Measurement, closed_loop, send, while_repeating
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, answered, medians, names, ratio
from benchmarks.lab.slow_hub import NetworkFaults, SlowHub, slow_hub
from benchmarks.lab.traffic import pick
from benchmarks.lab.verdict import check
from serving.adapters.sources.source import SourceSettings
from serving.service import Service

_PAUSE_S = 0.05


async def run(lab: Lab) -> ScenarioResult:
    """A closed loop alone, and while adapters arrive from a hub: 50 ms, 100 MB/s, 1 in 100 requests stalls or fails.

    first_token_p50_ms in the notes: from adding an adapter that only the hub has to its first token.
    """
    count = min(lab.profile.concurrency, lab.profile.adapters)
    with slow_hub(NetworkFaults()) as hub:
        sources = SourceSettings(hub_endpoint=hub.endpoint, pause_s=0.1)
        budget = 2 * lab.adapters_bytes(lab.profile.adapters)
        service = await lab.service(count, home="remote", sources=sources, budget_bytes=budget)
        await lab.warm(service, names(count))
        numbers = itertools.count(lab.profile.adapters)
        arrived: list[tuple[float, Answer]] = []

        async def fetch() -> None:
            arrived.append(await first_token(lab, service, hub, next(numbers)))

        async def serve(number: int) -> Measurement:
            picked = pick("uniform", count, lab.profile.requests, lab.rng)
            return await closed_loop(service, lab.requests([f"a{model}" for model in picked]), lab.profile.concurrency)

        arms = [
            Arm("control", serve),
            Arm("with arrivals", lambda number: while_repeating(serve(number), fetch, _PAUSE_S)),
        ]
        measurements = await lab.take_turns(arms)
        newcomers = [answer for _, answer in arrived]
        checks = await check(service, answered(measurements, *measurements), lab.rng) + await check(
            service, newcomers, lab.rng
        )
    compared = {
        "tokens/s, with arrivals / control": ratio(measurements, "with arrivals", "control"),
        "p99 ITL, with arrivals / control": ratio(measurements, "with arrivals", "control", "itl_p99_ms"),
    }
    notes = {
        "arrived": len(arrived),
        "first_token_p50_ms": 1e3 * statistics.median(took_s for took_s, _ in arrived),
        "hub_failures": hub.failed,
        "hub_stalls": hub.stalled,
    }
    return ScenarioResult(medians(measurements), compared, checks, notes)


async def first_token(lab: Lab, service: Service, hub: SlowHub, number: int) -> tuple[float, Answer]:
    """Publish adapter `number` on the hub, add it from there and request it: (seconds to its first token, answer)."""
    folder = await asyncio.to_thread(lab.adapter_folder, number)
    hub.repositories[f"bench/a{number}"] = {file.name: file.read_bytes() for file in folder.iterdir()}
    await asyncio.to_thread(shutil.rmtree, folder)
    started_s = time.perf_counter()
    await service.add_adapter(f"a{number}", f"hf:bench/a{number}")
    answer = await send(service, lab.requests([f"a{number}"])[0])
    return answer.token_s[0] - started_s, answer
