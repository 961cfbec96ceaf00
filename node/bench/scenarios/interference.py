"""C: what those whose adapters are resident notice of others' cold ones."""

from node.bench.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from node.bench.load import Load, closed_loop, open_loop
from node.bench.traffic import arrivals, chosen
from node.bench.verdict import check
from serving.service import Service

_HOT = 8
_COLD_ROOM = 2
_SHARE = 0.7
"""Of the hot adapters' saturation."""
_COLD_PER_HOT = 0.1


async def run(lab: Lab) -> Found:
    """Hot traffic at 0.7 of saturation, alone, and with one cold request for every ten; figures of the hot only."""
    hot = min(_HOT, lab.profile.adapters // 2)
    largest = max(lab.profile.adapter_bytes(number) for number in range(lab.profile.adapters))
    budget = lab.adapters_bytes(hot) + _COLD_ROOM * largest
    service = await lab.service(lab.profile.adapters, budget_bytes=budget)
    await lab.warm(service, names(hot))
    saturated = await closed_loop(service, lab.asks(_hot_models(lab, hot)), lab.profile.concurrency)
    rate = _SHARE * saturated.figures()["requests_per_s"]
    loads = await lab.take_turns(
        [
            Arm("control", _turn(lab, service, hot, rate, with_cold=False)),
            Arm("with cold loads", _turn(lab, service, hot, rate, with_cold=True)),
        ]
    )
    checks = await check(service, answered(loads, *loads), lab.rng)
    shown = {arm: [turn.of(lambda ask: ask.tenant == "hot") for turn in turns] for arm, turns in loads.items()}
    ratios = {
        f"{figure}, with cold loads / control": ratio(shown, "with cold loads", "control", figure)
        for figure in ("itl_p99_ms", "ttft_p99_ms", "ttft_p50_ms")
    }
    return Found(medians(shown), ratios, checks, {"hot_requests_per_s": rate})


def _hot_models(lab: Lab, hot: int) -> list[str]:
    return [f"a{model}" for model in chosen("zipf", hot, lab.profile.requests, lab.rng)]


def _turn(lab: Lab, service: Service, hot: int, rate_per_s: float, *, with_cold: bool) -> Turn:
    async def run(number: int) -> Load:
        asks = lab.asks(_hot_models(lab, hot), tenant="hot")
        at_s = arrivals(rate_per_s, len(asks), lab.rng)
        if with_cold:
            cold = [hot + model for model in range(max(1, round(_COLD_PER_HOT * len(asks))))]
            colds = [f"a{hot + number % (lab.profile.adapters - hot)}" for number in cold]
            asks += lab.asks(colds, tenant="cold")
            at_s += arrivals(rate_per_s * _COLD_PER_HOT, len(colds), lab.rng)
        return await open_loop(service, asks, at_s)

    return run
