"""What support for adapters costs the requests that do not use one."""

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import BASE, Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.profiles import Lengths
from benchmarks.lab.verdict import check
from serving.service import Service

_LENGTHS = Lengths(8, 12)
"""Short, so that many turns fit. Nearly all steps decode."""


async def run(lab: Lab) -> ScenarioResult:
    """CPU time per step of requests for the base: a service without adapters, against one full of them."""
    count = lab.profile.adapters
    services = {
        "without adapters": await lab.service(home="none"),
        "with adapters": await lab.service(count),
    }
    await lab.warm(services["with adapters"], names(count))
    arms = [Arm(name, _turn(lab, service)) for name, service in services.items()]
    measurements = await lab.take_turns(arms, rounds=lab.profile.pairs)
    checks = await check(services["with adapters"], answered(measurements, "with adapters"), lab.rng)
    compared = {
        "CPU time per step, with / without adapters": ratio(
            measurements, "with adapters", "without adapters", "cpu_ms_per_step"
        )
    }
    return ScenarioResult(medians(measurements), compared, checks)


def _turn(lab: Lab, service: Service) -> Turn:
    async def run(number: int) -> Measurement:
        callers = lab.profile.concurrency
        return await closed_loop(service, lab.requests([BASE] * callers, lengths=_LENGTHS), callers)

    return run
