"""C: how much loading cold adapters delays the requests whose adapters are resident."""

from benchmarks.lab.clients import Measurement, open_loop
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.traffic import arrivals
from benchmarks.lab.verdict import check
from serving.service import Service

_HOT = 8
_COLD_ROOM = 2
_SHARE = 0.7
"""Request rate, as a share of the hot adapters' saturation."""
_COLD_PER_HOT = 0.1


async def run(lab: Lab) -> ScenarioResult:
    """Hot requests at 0.7 of saturation: alone, and with one cold request for every ten. Figures of the hot only."""
    profile = lab.profile
    hot = min(_HOT, profile.adapters // 2)
    largest = max(profile.adapter_bytes(number) for number in range(profile.adapters))
    budget = lab.adapters_bytes(hot) + _COLD_ROOM * largest
    service = await lab.service(profile.adapters, budget_bytes=budget)
    await lab.warm(service, names(hot))
    models = lab.models_of_turn("zipf", names(hot), 4 * profile.concurrency, 0)
    rate = _SHARE * await lab.saturation(service, models, profile.open_lengths)
    measurements = await lab.take_turns(
        [
            Arm("control", _turn(lab, service, hot, rate, with_cold=False)),
            Arm("with cold loads", _turn(lab, service, hot, rate, with_cold=True)),
        ]
    )
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    shown = {
        arm: [turn.only(lambda request: request.tenant == "hot") for turn in turns]
        for arm, turns in measurements.items()
    }
    compared = {
        f"{figure}, with cold loads / control": ratio(shown, "with cold loads", "control", figure)
        for figure in ("itl_p99_ms", "ttft_p99_ms", "ttft_p50_ms")
    }
    return ScenarioResult(medians(shown), compared, checks, {"hot_requests_per_s": rate})


def _turn(lab: Lab, service: Service, hot: int, rate_per_s: float, *, with_cold: bool) -> Turn:
    async def run(number: int) -> Measurement:
        models = lab.models_of_turn("zipf", names(hot), lab.profile.open_requests, number)
        requests = lab.requests(models, tenant="hot", lengths=lab.profile.open_lengths)
        rng = lab.turn_rng(number)
        at_s = arrivals(rate_per_s, len(requests), rng)
        if with_cold:
            count = max(1, round(_COLD_PER_HOT * len(requests)))
            colds = [f"a{hot + cold % (lab.profile.adapters - hot)}" for cold in range(count)]
            requests += lab.requests(colds, tenant="cold", lengths=lab.profile.open_lengths)
            at_s += arrivals(rate_per_s * _COLD_PER_HOT, len(colds), rng)
        return await open_loop(service, requests, at_s)

    return run
