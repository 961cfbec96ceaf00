"""C: what those whose adapters are resident notice of others' cold ones."""

from benchmarks.lab.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from benchmarks.lab.load import Load, open_loop
from benchmarks.lab.traffic import arrivals
from benchmarks.lab.verdict import check
from serving.service import Service

_HOT = 8
_COLD_ROOM = 2
_SHARE = 0.7
"""Of the hot adapters' saturation."""
_COLD_PER_HOT = 0.1


async def run(lab: Lab) -> Found:
    """Hot traffic at 0.7 of saturation, alone, and with one cold request for every ten; figures of the hot only."""
    profile = lab.profile
    hot = min(_HOT, profile.adapters // 2)
    largest = max(profile.adapter_bytes(number) for number in range(profile.adapters))
    budget = lab.adapters_bytes(hot) + _COLD_ROOM * largest
    service = await lab.service(profile.adapters, budget_bytes=budget)
    await lab.warm(service, names(hot))
    models = lab.picked("zipf", names(hot), 4 * profile.concurrency, 0)
    rate = _SHARE * await lab.saturation(service, models, profile.open_lengths)
    loads = await lab.take_turns(
        [
            Arm("control", _turn(lab, service, hot, rate, with_cold=False)),
            Arm("with cold loads", _turn(lab, service, hot, rate, with_cold=True)),
        ]
    )
    checks = await check(service, answered(loads, *loads), lab.rng)
    shown = {arm: [turn.of(lambda ask: ask.tenant == "hot") for turn in turns] for arm, turns in loads.items()}
    compared = {
        f"{figure}, with cold loads / control": ratio(shown, "with cold loads", "control", figure)
        for figure in ("itl_p99_ms", "ttft_p99_ms", "ttft_p50_ms")
    }
    return Found(medians(shown), compared, checks, {"hot_requests_per_s": rate})


def _turn(lab: Lab, service: Service, hot: int, rate_per_s: float, *, with_cold: bool) -> Turn:
    async def run(number: int) -> Load:
        models = lab.picked("zipf", names(hot), lab.profile.open_requests, number)
        asks = lab.asks(models, tenant="hot", lengths=lab.profile.open_lengths)
        dice = lab.dice(number)
        at_s = arrivals(rate_per_s, len(asks), dice)
        if with_cold:
            count = max(1, round(_COLD_PER_HOT * len(asks)))
            colds = [f"a{hot + cold % (lab.profile.adapters - hot)}" for cold in range(count)]
            asks += lab.asks(colds, tenant="cold", lengths=lab.profile.open_lengths)
            at_s += arrivals(rate_per_s * _COLD_PER_HOT, len(colds), dice)
        return await open_loop(service, asks, at_s)

    return run
