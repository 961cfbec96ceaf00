"""A: what more registered adapters cost, and whether it matters how popular each is."""

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import BASE, Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.traffic import Popularity
from benchmarks.lab.verdict import Checks, check
from serving.service import Service

_OPEN_SHARE = 0.8
"""Request rate of the open loop, as a share of the saturation without adapters."""
_CLOSED_TIME = 0.4
"""Share of the scenario's time for the closed loops."""
_POPULARITIES: tuple[Popularity, ...] = ("distinct", "uniform", "zipf", "identical")


async def registered(lab: Lab) -> ScenarioResult:
    """Zipf 1.0 over few to many registered adapters that all fit the device: closed loop, then open loop."""
    services = {count: await lab.service(count, home=str(count)) for count in lab.profile.sweep}
    for count, service in services.items():
        await lab.warm(service, names(count))
    closed = await lab.take_turns(
        [Arm(_closed_name(n), _closed(lab, service, n)) for n, service in services.items()], _CLOSED_TIME
    )
    first = services[lab.profile.sweep[0]]
    saturation = await lab.saturation(first, [BASE] * lab.profile.requests, lab.profile.open_lengths)
    rate = _OPEN_SHARE * saturation
    opened = await lab.take_turns(
        [Arm(_open_name(n), lab.zipf_turn(service, n, rate)) for n, service in services.items()], 1 - _CLOSED_TIME
    )
    checks = Checks()
    for count, service in services.items():
        checks += await check(
            service, answered(closed, _closed_name(count)) + answered(opened, _open_name(count)), lab.rng
        )
    few, *more = lab.profile.sweep
    compared = {}
    for count in more:
        compared[f"tokens/s, {count} / {few} adapters"] = ratio(closed, _closed_name(count), _closed_name(few))
        compared[f"p99 TTFT, {count} / {few} adapters"] = ratio(
            opened, _open_name(count), _open_name(few), "ttft_p99_ms"
        )
    figures = medians(closed) | medians(opened)
    closed_requests_per_s = figures[_closed_name(few)]["requests_per_s"]
    notes = {"open_loop_requests_per_s": rate, "open_loop_share_of_closed_loop": rate / closed_requests_per_s}
    return ScenarioResult(figures, compared, checks, notes)


async def popularity(lab: Lab) -> ScenarioResult:
    """The same number of resident adapters under four distributions of popularity."""
    count = min(lab.profile.adapters, lab.profile.concurrency)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    measurements = await lab.take_turns([Arm(kind, _closed(lab, service, count, kind)) for kind in _POPULARITIES])
    checks = await check(service, answered(measurements, *_POPULARITIES), lab.rng)
    compared = {f"{kind} / identical": ratio(measurements, kind, "identical") for kind in _POPULARITIES[:-1]}
    return ScenarioResult(medians(measurements), compared, checks)


def _closed_name(adapters: int) -> str:
    return f"{adapters} adapters"


def _open_name(adapters: int) -> str:
    return f"{adapters} adapters, open loop"


def _closed(lab: Lab, service: Service, count: int, kind: Popularity = "zipf") -> Turn:
    async def run(number: int) -> Measurement:
        models = lab.models_of_turn(kind, names(count), lab.profile.requests, number)
        return await closed_loop(service, lab.requests(models), lab.profile.concurrency)

    return run
