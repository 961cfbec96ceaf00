"""Whether an answer came from the requested adapter: it is compared with the same request run alone."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

from benchmarks.lab.clients import GREEDY, Answer, send
from serving.service import Service
from serving.types import TokenLogprobs

COMPARED_TOKENS = 8
SAMPLED = 12
_LIKELIEST = 5
_TIE_NATS = {"bf16": 1.0, "fp32": 1e-3}
"""Nats within which two tokens count as tied: rounding may swap them. The benchmark's logits span dozens of nats; in
bf16 they move by a few tenths with the size of the batch."""


class Verdict(Enum):
    """How an answer compares with the isolated run of its request.

    EXACT: the same tokens.   ROUNDED: the first different token was about as likely in the isolated run; batches of
    different sizes round differently, and greedy decoding turns the last bit of a tie into another token.
    WRONG_ADAPTER, SILENT_BASE: it agrees longer with another adapter's, or the base's, isolated run.
    BROKEN: none of these.
    """

    EXACT = "exact"
    ROUNDED = "rounded"
    WRONG_ADAPTER = "wrong_adapter"
    SILENT_BASE = "silent_base"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Checks:
    """Counts over all arms of a scenario. The first four must be 0. `lost` counts all requests, the others a sample."""

    lost: int = 0
    wrong_adapter: int = 0
    silent_base: int = 0
    broken: int = 0
    rounded: int = 0
    exact: int = 0

    @property
    def faults(self) -> int:
        """Number of lost or wrong answers."""
        return self.lost + self.wrong_adapter + self.silent_base + self.broken

    @property
    def ok(self) -> bool:
        """Whether there are no faults."""
        return self.faults == 0

    def __add__(self, other: "Checks") -> "Checks":
        return Checks(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Checks)))


@dataclass(frozen=True, slots=True)
class Isolated:
    """A model's answer while nothing else runs. logprobs: for each token, its own and those of the likeliest."""

    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprobs, ...]

    def ties(self, place: int, token: int, nats: float) -> bool:
        """Whether `token` was at `place` within `nats` of the token that was answered."""
        at = self.logprobs[place]
        return any(other == token and at.logprob - logprob <= nats for other, logprob in at.top)


def judge(
    tokens: Sequence[int],
    own: Isolated,
    base: Sequence[int] | None,
    others: Iterable[Sequence[int]],
    tie_nats: float,
) -> Verdict:
    """Whose answer `tokens` is. own, base, others: the isolated answers; base is None if the base was requested."""
    agreed = agreement(tokens, own.tokens)
    if base is not None and agreement(tokens, base) > agreed:
        return Verdict.SILENT_BASE
    if any(agreement(tokens, other) > agreed for other in others):
        return Verdict.WRONG_ADAPTER
    if agreed == len(own.tokens):
        return Verdict.EXACT
    return Verdict.ROUNDED if own.ties(agreed, tokens[agreed], tie_nats) else Verdict.BROKEN


def agreement(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the common prefix."""
    pairs = zip(left, right, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


async def check(service: Service, answers: Sequence[Answer], rng: random.Random) -> Checks:
    """Count lost answers, and compare a sample of the answered requests with isolated runs of the same requests.

    An answer that differs from its isolated run is compared with those of the base and the other sampled adapters.
    """
    checks = Checks(lost=sum(answer.is_lost for answer in answers))
    answered = [answer for answer in answers if len(answer.tokens) == answer.request.new_tokens]
    sample = rng.sample(answered, min(SAMPLED, len(answered)))
    models = {served_name(answer) for answer in sample}
    for answer in sample:
        name = served_name(answer)
        tokens = answer.tokens[:COMPARED_TOKENS]
        own = await alone(service, answer, name)
        base = None if answer.adapter is None else (await alone(service, answer, service.base_name)).tokens
        exact = agreement(tokens, own.tokens) == len(own.tokens)
        others = [] if exact else [(await alone(service, answer, other)).tokens for other in sorted(models - {name})]
        verdict = judge(tokens, own, base, others, _TIE_NATS[service.dtype_name])
        checks += Checks(**{verdict.value: 1})
    return checks


async def alone(service: Service, answer: Answer, model: str) -> Isolated:
    """The first tokens that `model` answers to the same prompt while nothing else runs.

    The request belongs to another tenant, so it reuses no pages computed for the answer under test.
    """
    tokens = min(COMPARED_TOKENS, answer.request.new_tokens)
    request = replace(answer.request, model=model, new_tokens=tokens, tenant="check")
    answered = await send(service, request, sampling=replace(GREEDY, logprobs=_LIKELIEST))
    assert len(answered.tokens) == tokens, f"{model} ended early in its isolated run: {answered.end}"
    return Isolated(answered.tokens, answered.logprobs)


def served_name(answer: Answer) -> str:
    """The name of the version that answered, even if its adapter has been replaced since."""
    return answer.request.model if answer.adapter is None else f"{answer.request.model}@{answer.adapter}"
