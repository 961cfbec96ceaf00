"""B: adapters that are loaded and evicted all the time, against the same adapters all resident."""

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.traffic import Popularity, pick
from benchmarks.lab.verdict import Checks, check
from serving.service import Service

_CALLERS = (1, 8)
_TOKENS = 8
"""Short answers, as the load is what is measured."""


async def run(lab: Lab) -> ScenarioResult:
    """Closed loops with all adapters resident, with half the needed budget, and with every request loading."""
    count, needed = lab.profile.adapters, lab.adapters_bytes(lab.profile.adapters)
    largest = max(lab.profile.adapter_bytes(number) for number in range(count))
    services = {
        "resident": await lab.service(count),
        "half": await lab.service(count, budget_bytes=needed // 2),
        "storm": await lab.service(count, budget_bytes=min(needed // 2, (max(_CALLERS) + 1) * largest)),
    }
    for service in services.values():
        await lab.warm(service, names(count))
    arms = [
        Arm(_name(kind, callers), _turn(lab, service, "distinct" if kind == "storm" else "uniform", callers))
        for callers in _CALLERS
        for kind, service in services.items()
    ]
    measurements = await lab.take_turns(arms)
    checks, compared, notes, figures = Checks(), {}, {}, medians(measurements)
    for kind, service in services.items():
        checks += await check(service, answered(measurements, *(_name(kind, callers) for callers in _CALLERS)), lab.rng)
    for callers in _CALLERS:
        resident = _name("resident", callers)
        for kind in ("half", "storm"):
            arm = _name(kind, callers)
            compared[f"median TTFT, {arm} / resident"] = ratio(measurements, arm, resident, "ttft_p50_ms")
            notes[f"load_ms, {arm}"] = 1e3 * figures[arm]["load_seconds"] / max(1.0, figures[arm]["loads"])
        late_ms = figures[_name("storm", callers)]["ttft_p50_ms"] - figures[resident]["ttft_p50_ms"]
        notes[f"cold_minus_warm_ttft_ms, {callers} callers"] = late_ms
    return ScenarioResult(figures, compared, checks, notes)


def _name(kind: str, callers: int) -> str:
    return f"{kind}, {callers} callers"


def _turn(lab: Lab, service: Service, kind: Popularity, callers: int) -> Turn:
    async def run(number: int) -> Measurement:
        models = pick(kind, lab.profile.adapters, min(lab.profile.adapters, lab.profile.requests), lab.rng)
        return await closed_loop(service, lab.requests([f"a{model}" for model in models], _TOKENS), callers)

    return run
