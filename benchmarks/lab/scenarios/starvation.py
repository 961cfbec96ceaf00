"""F: one adapter that receives more requests than the node can serve, and many that are requested once."""

from benchmarks.lab.clients import Measurement, closed_loop, open_loop
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.traffic import arrivals
from benchmarks.lab.verdict import check
from serving.service import Service

_RARE = 50
_FLOOD_SHARE = 1.2
"""Request rate of the flooding tenant, as a share of saturation: its queue only grows."""


async def run(lab: Lab) -> ScenarioResult:
    """Time to first token of rare requests, each of its own tenant: alone, and during a flood by another tenant."""
    rare = min(_RARE, lab.profile.adapters - 1)
    service = await lab.service(rare + 1)
    await lab.warm(service, names(rare + 1))
    flood = ["a0"] * lab.profile.requests
    saturated = await closed_loop(service, lab.requests(flood), lab.profile.concurrency)
    rate = _FLOOD_SHARE * saturated.figures()["requests_per_s"]
    measurements = await lab.take_turns(
        [
            Arm("rare alone", _turn(lab, service, rare, [], rate)),
            Arm("rare during the flood", _turn(lab, service, rare, flood, rate)),
        ]
    )
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    shown = {
        arm: [turn.only(lambda request: request.tenant != "flood") for turn in turns]
        for arm, turns in measurements.items()
    }
    compared = {
        f"{figure}, during the flood / alone": ratio(shown, "rare during the flood", "rare alone", figure)
        for figure in ("ttft_p50_ms", "ttft_p99_ms", "ttft_max_ms")
    }
    flooded = [turn.only(lambda request: request.tenant == "flood") for turn in measurements["rare during the flood"]]
    figures = medians(shown) | medians({"the flood itself": flooded})
    return ScenarioResult(figures, compared, checks, {"flood_requests_per_s": rate})


def _turn(lab: Lab, service: Service, rare: int, flood: list[str], rate_per_s: float) -> Turn:
    async def run(number: int) -> Measurement:
        requests = lab.requests(flood, tenant="flood")
        at_s = arrivals(rate_per_s, len(flood), lab.rng)
        span_s = lab.profile.requests / rate_per_s
        for model in names(rare, 1):
            requests += lab.requests([model], tenant=model)
            at_s.append(lab.rng.uniform(0, span_s))
        return await open_loop(service, requests, at_s)

    return run
