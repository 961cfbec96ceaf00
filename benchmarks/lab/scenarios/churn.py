"""E: adapter versions that are published and retired while others are served."""

import itertools

from benchmarks.lab.clients import Measurement, closed_loop, while_repeating
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.traffic import pick
from benchmarks.lab.verdict import check
from serving.service import Service

_MOVING = "moving"
_PASSING = 1_000_000
"""Added to a version's number to get the number of an adapter that no one else uses."""
_PAUSE_S = 0.5


async def run(lab: Lab) -> ScenarioResult:
    """A closed loop over fixed adapters and one that is replaced every half second, against no replacement.

    Every answer of the replaced adapter is compared with the version that gave it, run alone.
    """
    fixed = min(lab.profile.concurrency, lab.profile.adapters) // 2
    service = await lab.service(fixed, home="churn", budget_bytes=2 * lab.adapters_bytes(lab.profile.adapters))
    versions = itertools.count(lab.profile.adapters)
    await lab.register(service, next(versions), _MOVING)
    await lab.warm(service, [*names(fixed), _MOVING])
    published: list[int] = []
    measurements = await lab.take_turns(
        [
            Arm("control", _control(lab, service, fixed)),
            Arm("with churn", _churn(lab, service, fixed, versions, published)),
        ]
    )
    moving = [answer for answer in answered(measurements, *measurements) if answer.request.model == _MOVING]
    checks = await check(service, answered(measurements, *measurements), lab.rng) + await check(
        service, moving, lab.rng
    )
    compared = {
        "tokens/s, with churn / control": ratio(measurements, "with churn", "control"),
        "p99 ITL, with churn / control": ratio(measurements, "with churn", "control", "itl_p99_ms"),
    }
    return ScenarioResult(medians(measurements), compared, checks, {"versions_published": len(published)})


def _control(lab: Lab, service: Service, fixed: int) -> Turn:
    async def run(number: int) -> Measurement:
        models = [*names(fixed), _MOVING]
        picked = pick("uniform", len(models), lab.profile.requests, lab.rng)
        return await closed_loop(service, lab.requests([models[model] for model in picked]), lab.profile.concurrency)

    return run


def _churn(lab: Lab, service: Service, fixed: int, versions: "itertools.count[int]", published: list[int]) -> Turn:
    serve = _control(lab, service, fixed)

    async def publish() -> None:
        """Replace the version of the moving name, and add and remove another name."""
        number = next(versions)
        await lab.register(service, number, _MOVING)
        await lab.register(service, number + _PASSING, "passing")
        await service.remove_adapter("passing")
        published.append(number)

    return lambda number: while_repeating(serve(number), publish, pause_s=_PAUSE_S)
