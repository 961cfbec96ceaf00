"""Decoding alone, by how many requests decode together and over how many adapters they are spread."""

from node.bench.lab import BASE, Arm, Found, Lab, Turn, answered, medians, names, ratio
from node.bench.load import Load, closed_loop
from node.bench.statistics import Interval
from node.bench.traffic import Popularity
from node.bench.verdict import check
from serving.service import Service

_SPREADS: tuple[Popularity, ...] = ("uniform", "zipf")


async def run(lab: Lab) -> Found:
    """Tokens per second while a whole batch decodes: without adapters, and spread over N, uniformly and by Zipf 1.0.

    The notes hold what a bound on these figures is computed from: the distinct adapters of each arm's batch, and the
    context in its middle.
    """
    profile = lab.profile
    service = await lab.service(max(profile.decode_spreads))
    await lab.warm(service, [*names(max(profile.decode_spreads)), BASE])
    batches = profile.decode_batches
    arms: dict[str, Turn] = {_plain(batch): _turn(lab, service, batch) for batch in batches}
    spread = [
        (_spread(batch, kind, among), _plain(batch), _turn(lab, service, batch, kind, among))
        for batch in batches
        for among in profile.decode_spreads
        for kind in _SPREADS
        if not (among == 1 and kind == "zipf")  # one adapter is one adapter
    ]
    arms |= {name: turn for name, _, turn in spread}
    loads = await lab.take_turns([Arm(name, turn) for name, turn in arms.items()])
    checks = await check(service, answered(loads, *loads), lab.rng)
    figures, compared = medians(loads), dict[str, Interval]()
    for name, turns in loads.items():
        figures[name]["decode_tokens_per_s"] = sorted(map(steady_tokens_per_s, turns))[len(turns) // 2]
    for name, plain, _ in spread:
        compared[f"median ITL, {plain} / {name}"] = ratio(loads, plain, name, "itl_p50_ms")
    notes = {f"distinct, {name}": _distinct(loads[name]) for name, _, _ in spread}
    notes["context_tokens"] = profile.lengths.prompt + profile.lengths.new / 2
    return Found(figures, compared, checks, notes)


def steady_tokens_per_s(load: Load) -> float:
    """Over the time in which all requests decode: after the last first token, before the first last one; 0 if never."""
    answers = [answer for answer in load.answers if answer.token_s]
    begins, ends = max(answer.token_s[0] for answer in answers), min(answer.token_s[-1] for answer in answers)
    if ends <= begins:
        return 0.0
    return sum(begins < at_s <= ends for answer in answers for at_s in answer.token_s) / (ends - begins)


def _plain(batch: int) -> str:
    return f"batch {batch}, no adapter"


def _spread(batch: int, kind: Popularity, among: int) -> str:
    return f"batch {batch}, {among} adapters, {kind}"


def _turn(lab: Lab, service: Service, batch: int, kind: Popularity = "identical", among: int = 0) -> Turn:
    async def run(number: int) -> Load:
        models = lab.picked(kind, names(among) or [BASE], batch, number)
        return await closed_loop(service, lab.asks(models), batch)

    return run


def _distinct(turns: list[Load]) -> float:
    return sum(len({answer.ask.model for answer in turn.answers}) for turn in turns) / len(turns)
