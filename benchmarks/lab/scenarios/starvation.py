"""F: one adapter that gets more than the node can do, and many that are asked for once."""

from benchmarks.lab.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from benchmarks.lab.load import Load, closed_loop, open_loop
from benchmarks.lab.traffic import arrivals
from benchmarks.lab.verdict import check
from serving.service import Service

_RARE = 50
_FLOOD_SHARE = 1.2
"""Of saturation: the queue of the flooding tenant only grows."""


async def run(lab: Lab) -> Found:
    """How long the rare wait, each a tenant of its own: alone, and beside the flood."""
    rare = min(_RARE, lab.profile.adapters - 1)
    service = await lab.service(rare + 1)
    await lab.warm(service, names(rare + 1))
    flood = ["a0"] * lab.profile.requests
    saturated = await closed_loop(service, lab.asks(flood), lab.profile.concurrency)
    rate = _FLOOD_SHARE * saturated.figures()["requests_per_s"]
    loads = await lab.take_turns(
        [
            Arm("rare alone", _turn(lab, service, rare, [], rate)),
            Arm("rare beside the flood", _turn(lab, service, rare, flood, rate)),
        ]
    )
    checks = await check(service, answered(loads, *loads), lab.rng)
    shown = {arm: [turn.of(lambda ask: ask.tenant != "flood") for turn in turns] for arm, turns in loads.items()}
    compared = {
        f"{figure}, beside the flood / alone": ratio(shown, "rare beside the flood", "rare alone", figure)
        for figure in ("ttft_p50_ms", "ttft_p99_ms", "ttft_max_ms")
    }
    flooded = [turn.of(lambda ask: ask.tenant == "flood") for turn in loads["rare beside the flood"]]
    figures = medians(shown) | medians({"the flood itself": flooded})
    return Found(figures, compared, checks, {"flood_requests_per_s": rate})


def _turn(lab: Lab, service: Service, rare: int, flood: list[str], rate_per_s: float) -> Turn:
    async def run(number: int) -> Load:
        asks = lab.asks(flood, tenant="flood")
        at_s = arrivals(rate_per_s, len(flood), lab.rng)
        span_s = lab.profile.requests / rate_per_s
        for model in names(rare, 1):
            asks += lab.asks([model], tenant=model)
            at_s.append(lab.rng.uniform(0, span_s))
        return await open_loop(service, asks, at_s)

    return run
