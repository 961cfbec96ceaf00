"""Whether an answer is the asked adapter's own: compared with the same request run alone."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

from benchmarks.lab.load import GREEDY, Answer, ask_once
from serving.service import Service
from serving.types import TokenLogprobs

COMPARED_TOKENS = 8
SAMPLED = 12
_LIKELIEST = 5
_TIE_NATS = {"bf16": 1.0, "fp32": 1e-3}
"""How much less likely than its own choice the isolated run may find a token that rounding put in its place. The
benchmark's logits spread over dozens of nats; in bf16 they move by some tenths with the size of the batch."""


class Verdict(Enum):
    """exact: the tokens of the isolated run. rounded: they fork where the isolated run found both tokens as likely.

    Batches of different sizes round differently, and greedy decoding turns the last bit of a tie into another word.
    broken: neither, and nobody else's either.
    """

    EXACT = "exact"
    ROUNDED = "rounded"
    WRONG_ADAPTER = "wrong_adapter"
    SILENT_BASE = "silent_base"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Checks:
    """Over all arms of a scenario. The first four must be 0. lost counts all requests, the others are of a sample."""

    lost: int = 0
    wrong_adapter: int = 0
    silent_base: int = 0
    broken: int = 0
    rounded: int = 0
    exact: int = 0

    @property
    def faults(self) -> int:
        """How many of the answers are not what was asked for."""
        return self.lost + self.wrong_adapter + self.silent_base + self.broken

    @property
    def ok(self) -> bool:
        return self.faults == 0

    def __add__(self, other: "Checks") -> "Checks":
        return Checks(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Checks)))


@dataclass(frozen=True, slots=True)
class Isolated:
    """What a model answers to a prompt while nothing else runs, and how likely each token and the next best were."""

    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...]

    def ties(self, place: int, token: int, nats: float) -> bool:
        """Whether `token` was as likely as the answered one at `place`, but for `nats`."""
        at = self.logprobs[place]
        return any(other == token and at.logprob - logprob <= nats for other, logprob in at.top)


def judged(
    tokens: Sequence[int],
    own: Isolated,
    base: Sequence[int] | None,
    others: Iterable[Sequence[int]],
    tie_nats: float,
) -> Verdict:
    """Whose answer `tokens` is. own, base, others: the isolated answers; base None if the base was what was asked."""
    agreed = agreement(tokens, own.tokens)
    if base is not None and agreement(tokens, base) > agreed:
        return Verdict.SILENT_BASE
    if any(agreement(tokens, other) > agreed for other in others):
        return Verdict.WRONG_ADAPTER
    if agreed == len(own.tokens):
        return Verdict.EXACT
    return Verdict.ROUNDED if own.ties(agreed, tokens[agreed], tie_nats) else Verdict.BROKEN


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
        base = None if answer.adapter is None else (await alone(service, answer, service.base_name)).tokens
        exact = agreement(tokens, own.tokens) == len(own.tokens)
        others = [] if exact else [(await alone(service, answer, other)).tokens for other in sorted(models - {name})]
        verdict = judged(tokens, own, base, others, _TIE_NATS[service.dtype_name])
        found += Checks(**{verdict.value: 1})
    return found


async def alone(service: Service, answer: Answer, model: str) -> Isolated:
    """The first tokens that `model` answers to the same prompt while nothing else runs.

    Asked as another tenant, so that nothing is reused of what was computed for the answer under test.
    """
    tokens = min(COMPARED_TOKENS, answer.ask.new_tokens)
    ask = replace(answer.ask, model=model, new_tokens=tokens, tenant="check")
    found = await ask_once(service, ask, sampling=replace(GREEDY, logprobs=_LIKELIEST))
    assert len(found.tokens) == tokens, f"{model} ended early when asked alone: {found.end}"
    return Isolated(found.tokens, found.logprobs)


def served_name(answer: Answer) -> str:
    """The version that answered, even if its name means another one by now."""
    return answer.ask.model if answer.adapter is None else f"{answer.ask.model}@{answer.adapter}"
