"""What it costs when the requested adapters need more memory than the device budget."""

from benchmarks.lab.lab import Arm, Lab, ScenarioResult, answered, medians, names, ratio
from benchmarks.lab.verdict import Checks, check

_SHARE = 0.7
"""Request rate, as a share of the saturation with all adapters resident."""


async def run(lab: Lab) -> ScenarioResult:
    """Open loop, Zipf 1.0, 0.7 of saturation: all adapters resident, and adapters of twice the device budget."""
    profile = lab.profile
    count = profile.adapters
    resident = await lab.service(count)
    half = await lab.service(count, budget_bytes=lab.adapters_bytes(count) // 2)
    for service in (resident, half):
        await lab.warm(service, names(count))
    models = lab.models_of_turn("zipf", names(count), 4 * profile.concurrency, 0)
    rate = _SHARE * await lab.saturation(resident, models, profile.open_lengths)
    arms = {"resident": resident, "twice the budget": half}
    measurements = await lab.take_turns(
        [Arm(name, lab.zipf_turn(service, count, rate)) for name, service in arms.items()]
    )
    checks = Checks()
    for name, service in arms.items():
        checks += await check(service, answered(measurements, name), lab.rng)
    compared = {
        f"{figure}, twice the budget / resident": ratio(measurements, "twice the budget", "resident", figure)
        for figure in ("ttft_p50_ms", "ttft_p99_ms", "itl_p99_ms")
    }
    return ScenarioResult(medians(measurements), compared, checks, {"requests_per_s": rate})
