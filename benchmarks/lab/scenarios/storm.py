"""B: adapters that must be switched all the time, next to the same adapters all resident."""

from benchmarks.lab.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from benchmarks.lab.load import Load, closed_loop
from benchmarks.lab.traffic import Popularity, chosen
from benchmarks.lab.verdict import Checks, check
from serving.service import Service

_CALLERS = (1, 8)
_TOKENS = 8
"""Short answers: the switch is what is asked about."""


async def run(lab: Lab) -> Found:
    """Resident: everything fits. Half: adapters need twice the budget, uniform. Storm: every request loads."""
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
    loads = await lab.take_turns(arms)
    checks, compared, notes, figures = Checks(), {}, {}, medians(loads)
    for kind, service in services.items():
        checks += await check(service, answered(loads, *(_name(kind, callers) for callers in _CALLERS)), lab.rng)
    for callers in _CALLERS:
        resident = _name("resident", callers)
        for kind in ("half", "storm"):
            arm = _name(kind, callers)
            compared[f"median TTFT, {arm} / resident"] = ratio(loads, arm, resident, "ttft_p50_ms")
            notes[f"load_ms, {arm}"] = 1e3 * figures[arm]["load_seconds"] / max(1.0, figures[arm]["loads"])
        late_ms = figures[_name("storm", callers)]["ttft_p50_ms"] - figures[resident]["ttft_p50_ms"]
        notes[f"cold_minus_warm_ttft_ms, {callers} callers"] = late_ms
    return Found(figures, compared, checks, notes)


def _name(kind: str, callers: int) -> str:
    return f"{kind}, {callers} callers"


def _turn(lab: Lab, service: Service, kind: Popularity, callers: int) -> Turn:
    async def run(number: int) -> Load:
        models = chosen(kind, lab.profile.adapters, min(lab.profile.adapters, lab.profile.requests), lab.rng)
        return await closed_loop(service, lab.asks([f"a{model}" for model in models], _TOKENS), callers)

    return run
