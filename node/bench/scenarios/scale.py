"""A: what more registered adapters cost, and what their popularity does."""

from node.bench.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from node.bench.load import Load, closed_loop, open_loop
from node.bench.traffic import Popularity, arrivals, chosen
from node.bench.verdict import Checks, check
from serving.service import Service

_OPEN_SHARE = 0.8
"""Of the smallest service's saturation."""
_POPULARITIES: tuple[Popularity, ...] = ("distinct", "uniform", "zipf", "identical")


async def registered(lab: Lab) -> Found:
    """Zipf 1.0 over 5 to many registered adapters, all of which fit the device: closed loop, then open loop."""
    services = {count: await lab.service(count, home=str(count)) for count in lab.profile.sweep}
    for count, service in services.items():
        await lab.warm(service, names(count))
    closed = await lab.take_turns(
        [Arm(f"{n} adapters", _closed(lab, service, n)) for n, service in services.items()], 0.5
    )
    smallest = f"{lab.profile.sweep[0]} adapters"
    rate = _OPEN_SHARE * medians(closed)[smallest]["requests_per_s"]
    opened = await lab.take_turns(
        [Arm(f"{n} adapters, open loop", _opened(lab, service, n, rate)) for n, service in services.items()], 0.5
    )
    checks, ratios = Checks(), {}
    for count, service in services.items():
        arm = f"{count} adapters"
        checks += await check(service, answered(closed, arm) + answered(opened, f"{arm}, open loop"), lab.rng)
        if arm != smallest:
            ratios[f"tokens/s, {arm} / {smallest}"] = ratio(closed, arm, smallest)
            above, below = f"{arm}, open loop", f"{smallest}, open loop"
            ratios[f"p99 TTFT, {above} / {below}"] = ratio(opened, above, below, "ttft_p99_ms")
    return Found(medians(closed) | medians(opened), ratios, checks, {"open_loop_requests_per_s": rate})


async def popularity(lab: Lab) -> Found:
    """The same number of resident adapters, asked for differently."""
    count = min(lab.profile.adapters, lab.profile.concurrency)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    loads = await lab.take_turns([Arm(kind, _closed(lab, service, count, kind)) for kind in _POPULARITIES])
    checks = await check(service, answered(loads, *_POPULARITIES), lab.rng)
    ratios = {f"{kind} / identical": ratio(loads, kind, "identical") for kind in _POPULARITIES[:-1]}
    return Found(medians(loads), ratios, checks)


def _closed(lab: Lab, service: Service, count: int, kind: Popularity = "zipf") -> Turn:
    async def run(number: int) -> Load:
        models = chosen(kind, count, lab.profile.requests, lab.rng)
        return await closed_loop(service, lab.asks([f"a{model}" for model in models]), lab.profile.concurrency)

    return run


def _opened(lab: Lab, service: Service, count: int, rate_per_s: float) -> Turn:
    async def run(number: int) -> Load:
        models = chosen("zipf", count, lab.profile.requests, lab.rng)
        at_s = arrivals(rate_per_s, len(models), lab.rng)
        return await open_loop(service, lab.asks([f"a{model}" for model in models]), at_s)

    return run
