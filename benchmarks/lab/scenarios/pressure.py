"""What it costs when the adapters that are asked for need more memory than the device has for them."""

from benchmarks.lab.lab import Arm, Found, Lab, answered, medians, names, ratio
from benchmarks.lab.verdict import Checks, check

_SHARE = 0.7
"""Of saturation with all adapters resident."""


async def run(lab: Lab) -> Found:
    """Zipf 1.0 at 0.7 of saturation: all adapters resident, and adapters that need twice the device budget."""
    profile = lab.profile
    count = profile.adapters
    resident = await lab.service(count)
    half = await lab.service(count, budget_bytes=lab.adapters_bytes(count) // 2)
    for service in (resident, half):
        await lab.warm(service, names(count))
    models = lab.picked("zipf", names(count), 4 * profile.concurrency, 0)
    rate = _SHARE * await lab.saturation(resident, models, profile.open_lengths)
    arms = {"resident": resident, "twice the budget": half}
    loads = await lab.take_turns([Arm(name, lab.zipf_turn(service, count, rate)) for name, service in arms.items()])
    checks = Checks()
    for name, service in arms.items():
        checks += await check(service, answered(loads, name), lab.rng)
    compared = {
        f"{figure}, twice the budget / resident": ratio(loads, "twice the budget", "resident", figure)
        for figure in ("ttft_p50_ms", "ttft_p99_ms", "itl_p99_ms")
    }
    return Found(medians(loads), compared, checks, {"requests_per_s": rate})
