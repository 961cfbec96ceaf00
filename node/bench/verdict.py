"""Whether an answer is the asked adapter's own: compared with the same request run alone."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

from node.bench.load import Answer, ask_once
from serving.service import Service

COMPARED_TOKENS = 8
SAMPLED = 6


class Verdict(Enum):
    """exact: the tokens of the isolated run. rounded: an agreement that ended early, nearer to nobody else's answer.

    Batches of different sizes round differently, and greedy decoding turns the last bit of a tie into another word.
    """

    EXACT = "exact"
    ROUNDED = "rounded"
    WRONG_ADAPTER = "wrong_adapter"
    SILENT_BASE = "silent_base"


@dataclass(frozen=True, slots=True)
class Checks:
    """Over all arms of a scenario. The first three must be 0. lost counts all requests, the others are of a sample."""

    lost: int = 0
    wrong_adapter: int = 0
    silent_base: int = 0
    rounded: int = 0
    exact: int = 0

    @property
    def ok(self) -> bool:
        return self.lost == self.wrong_adapter == self.silent_base == 0

    def __add__(self, other: "Checks") -> "Checks":
        return Checks(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Checks)))


def judged(
    tokens: Sequence[int], own: Sequence[int], base: Sequence[int] | None, others: Iterable[Sequence[int]]
) -> Verdict:
    """Whose answer `tokens` is. own, base, others: the isolated answers; base None if the base was what was asked."""
    agreed = agreement(tokens, own)
    if base is not None and agreement(tokens, base) > agreed:
        return Verdict.SILENT_BASE
    if any(agreement(tokens, other) > agreed for other in others):
        return Verdict.WRONG_ADAPTER
    return Verdict.EXACT if agreed == len(own) else Verdict.ROUNDED


def agreement(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the common beginning."""
    pairs = zip(left, right, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


async def check(service: Service, answers: Sequence[Answer], rng: random.Random) -> Checks:
    """Counts what was lost, and runs a sample of the answered requests again, each alone.

    An answer that is not its isolated run's is held against the base's and the other sampled adapters'.
    """
    found = Checks(lost=sum(answer.is_lost for answer in answers))
    answered = [answer for answer in answers if len(answer.tokens) == answer.ask.new_tokens]
    sample = rng.sample(answered, min(SAMPLED, len(answered)))
    models = {served_name(answer) for answer in sample}
    for answer in sample:
        name = served_name(answer)
        tokens = answer.tokens[:COMPARED_TOKENS]
        own = await alone(service, answer, name)
        base = None if answer.adapter is None else await alone(service, answer, service.base_name)
        exact = agreement(tokens, own) == len(own)
        others = [] if exact else [await alone(service, answer, other) for other in models - {name}]
        verdict = judged(tokens, own, base, others)
        found += Checks(**{verdict.value: 1})
    return found


async def alone(service: Service, answer: Answer, model: str) -> tuple[int, ...]:
    """The first tokens that `model` answers to the same prompt while nothing else runs."""
    tokens = min(COMPARED_TOKENS, answer.ask.new_tokens)
    return (await ask_once(service, replace(answer.ask, model=model, new_tokens=tokens))).tokens


def served_name(answer: Answer) -> str:
    """The version that answered, even if its name means another one by now."""
    return answer.ask.model if answer.adapter is None else f"{answer.ask.model}@{answer.adapter}"
