"""What the support of adapters costs those who ask for the base."""

from benchmarks.lab.lab import BASE, Arm, Found, Lab, Turn, answered, medians, names, ratio
from benchmarks.lab.load import Load, closed_loop
from benchmarks.lab.profiles import Lengths
from benchmarks.lab.verdict import check
from serving.service import Service

_LENGTHS = Lengths(8, 12)
"""Short, so that there are many pairs; nearly all of their steps decode."""


async def run(lab: Lab) -> Found:
    """Requests for the base only, of a service without adapters, and of one whose memory is full of them."""
    count = lab.profile.adapters
    services = {
        "without adapters": await lab.service(home="none"),
        "with adapters": await lab.service(count),
    }
    await lab.warm(services["with adapters"], names(count))
    arms = [Arm(name, _turn(lab, service)) for name, service in services.items()]
    loads = await lab.take_turns(arms, rounds=lab.profile.pairs)
    checks = await check(services["with adapters"], answered(loads, "with adapters"), lab.rng)
    compared = {
        "CPU time per step, with / without adapters": ratio(
            loads, "with adapters", "without adapters", "cpu_ms_per_step"
        )
    }
    return Found(medians(loads), compared, checks)


def _turn(lab: Lab, service: Service) -> Turn:
    async def run(number: int) -> Load:
        callers = lab.profile.concurrency
        return await closed_loop(service, lab.asks([BASE] * callers, lengths=_LENGTHS), callers)

    return run
