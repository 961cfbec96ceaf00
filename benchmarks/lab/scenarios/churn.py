"""E: versions that are published and retired while others are served."""

import itertools

from benchmarks.lab.lab import Arm, Found, Lab, Turn, answered, medians, names, ratio
from benchmarks.lab.load import Load, besides, closed_loop
from benchmarks.lab.traffic import chosen
from benchmarks.lab.verdict import check
from serving.service import Service

_MOVING = "moving"
_PASSING = 1_000_000
"""Added to a version's number, for an adapter that nobody else is."""
_PAUSE_S = 0.5


async def run(lab: Lab) -> Found:
    """A closed loop over fixed adapters and one that changes: without, and with, a new version every half second.

    Every version that answered is held against that very version run alone.
    """
    fixed = min(lab.profile.concurrency, lab.profile.adapters) // 2
    service = await lab.service(fixed, home="churn", budget_bytes=2 * lab.adapters_bytes(lab.profile.adapters))
    versions = itertools.count(lab.profile.adapters)
    await lab.register(service, next(versions), _MOVING)
    await lab.warm(service, [*names(fixed), _MOVING])
    published: list[int] = []
    loads = await lab.take_turns(
        [
            Arm("control", _control(lab, service, fixed)),
            Arm("with churn", _churn(lab, service, fixed, versions, published)),
        ]
    )
    moving = [answer for answer in answered(loads, *loads) if answer.ask.model == _MOVING]
    checks = await check(service, answered(loads, *loads), lab.rng) + await check(service, moving, lab.rng)
    compared = {
        "tokens/s, with churn / control": ratio(loads, "with churn", "control"),
        "p99 ITL, with churn / control": ratio(loads, "with churn", "control", "itl_p99_ms"),
    }
    return Found(medians(loads), compared, checks, {"versions_published": len(published)})


def _control(lab: Lab, service: Service, fixed: int) -> Turn:
    async def run(number: int) -> Load:
        models = [*names(fixed), _MOVING]
        picked = chosen("uniform", len(models), lab.profile.requests, lab.rng)
        return await closed_loop(service, lab.asks([models[model] for model in picked]), lab.profile.concurrency)

    return run


def _churn(lab: Lab, service: Service, fixed: int, versions: "itertools.count[int]", published: list[int]) -> Turn:
    serve = _control(lab, service, fixed)

    async def publish() -> None:
        """A new version under the moving name, and a name that comes and goes."""
        number = next(versions)
        await lab.register(service, number, _MOVING)
        await lab.register(service, number + _PASSING, "passing")
        await service.remove_adapter("passing")
        published.append(number)

    return lambda number: besides(serve(number), publish, pause_s=_PAUSE_S)
