"""Decoding alone, by batch size and by the number of adapters in the batch."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import BASE, Arm, Lab, ScenarioResult, Turn, answered, medians, names, ratio
from benchmarks.lab.profiles import Profile
from benchmarks.lab.roofline import H200, Decode
from benchmarks.lab.traffic import Popularity
from benchmarks.lab.verdict import check
from serving.service import Service

_SPREADS: tuple[Popularity, ...] = ("uniform", "zipf")


@dataclass(frozen=True, slots=True)
class Spread:
    """`batch` requests spread over `among` adapters."""

    batch: int
    among: int
    kind: Popularity

    @property
    def arm(self) -> str:
        """The name of the arm."""
        return f"batch {self.batch}, {self.among} adapters, {self.kind}"


async def run(lab: Lab) -> ScenarioResult:
    """Tokens per second while a whole batch decodes: without adapters, and over N adapters, uniform and Zipf 1.0.

    The notes hold the number of distinct adapters in each arm's batch, and on a GPU the most that an H200 allows.
    """
    batches, most = lab.profile.decode_batches, max(lab.profile.decode_spreads)
    service = await lab.service(most)
    await lab.warm(service, [*names(most), BASE])
    spreads = [
        Spread(batch, among, kind)
        for batch in batches
        for among in lab.profile.decode_spreads
        for kind in _SPREADS
        if not (among == 1 and kind == "zipf")  # one adapter is one adapter
    ]
    arms = [Arm(_plain(batch), _turn(lab, service, batch, [BASE])) for batch in batches]
    arms += [Arm(each.arm, _turn(lab, service, each.batch, names(each.among), each.kind)) for each in spreads]
    measurements = await lab.take_turns(arms)
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    figures = medians(measurements)
    for name, turns in measurements.items():
        figures[name]["decode_tokens_per_s"] = statistics.median(map(steady_tokens_per_s, turns))
    compared = {
        f"median ITL, {_plain(each.batch)} / {each.arm}": ratio(
            measurements, _plain(each.batch), each.arm, "itl_p50_ms"
        )
        for each in spreads
    }
    distinct = {each: _distinct(measurements[each.arm]) for each in spreads}
    notes = {f"distinct, {each.arm}": number for each, number in distinct.items()}
    if lab.profile.device == "cuda":
        notes |= bounds(lab.profile, distinct)
    return ScenarioResult(figures, compared, checks, notes)


def bounds(profile: Profile, distinct: Mapping[Spread, float]) -> dict[str, float]:
    """The most that an H200 allows: tokens per second of a batch without adapters, and the share left with them.

    distinct: number of adapters in the batch, of the profile's largest rank. The context is that halfway through the
    output.
    """
    context, rank = profile.lengths.prompt + profile.lengths.new // 2, max(profile.ranks)
    limits = {}
    for each, adapters in distinct.items():
        step = Decode(profile.shape, each.batch, context, profile.dtype_bytes)
        limits[f"H200's most tokens/s, {_plain(each.batch)}"] = each.batch / step.seconds(H200)
        limits[f"H200's ceiling of the ratio, {each.arm}"] = step.ceiling(H200, adapters, rank)
    return limits


def steady_tokens_per_s(turn: Measurement) -> float:
    """Tokens per second while all requests decode: from the last first token to the first last token; 0 if never."""
    answers = [answer for answer in turn.answers if answer.token_s]
    begins, ends = max(answer.token_s[0] for answer in answers), min(answer.token_s[-1] for answer in answers)
    if ends <= begins:
        return 0.0
    return sum(begins < at_s <= ends for answer in answers for at_s in answer.token_s) / (ends - begins)


def _plain(batch: int) -> str:
    return f"batch {batch}, no adapter"


def _turn(lab: Lab, service: Service, batch: int, models: Sequence[str], kind: Popularity = "identical") -> Turn:
    async def run(number: int) -> Measurement:
        return await closed_loop(service, lab.requests(lab.models_of_turn(kind, models, batch, number)), batch)

    return run


def _distinct(turns: list[Measurement]) -> float:
    return sum(len({answer.request.model for answer in turn.answers}) for turn in turns) / len(turns)
