"""Who is asked, when, and with what: popularity, arrivals and prompts, all drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Literal

Popularity = Literal["distinct", "uniform", "zipf", "identical"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. model: a served name. Output is greedy and exactly `new_tokens` long."""

    model: str
    prompt_ids: tuple[int, ...]
    new_tokens: int
    tenant: str = "bench"


def chosen(popularity: Popularity, models: int, count: int, rng: random.Random, exponent: float = 1.0) -> list[int]:
    """The model of each of `count` requests, as numbers below `models`.

    distinct: one after the other. zipf: weight 1 / rank^exponent, true Zipf (S-LoRA's α and the geometric "skewed" of
    others are different laws).
    """
    match popularity:
        case "distinct":
            return [number % models for number in range(count)]
        case "uniform":
            return rng.choices(range(models), k=count)
        case "zipf":
            return rng.choices(range(models), [1 / (rank + 1) ** exponent for rank in range(models)], k=count)
        case "identical":
            return [0] * count


def arrivals(rate_per_s: float, count: int, rng: random.Random, cv: float = 1.0) -> list[float]:
    """Seconds after the start at which requests come: Gamma intervals with this coefficient of variation.

    cv 1 is Poisson. Shape 1/cv², scale cv²/rate, as S-LoRA and vLLM's burstiness have it.
    """
    now, times = 0.0, []
    for _ in range(count):
        now += rng.gammavariate(1 / cv**2, cv**2 / rate_per_s)
        times.append(now)
    return times


def prompt(vocab: int, tokens: int, rng: random.Random) -> tuple[int, ...]:
    """Random token ids above the control tokens. No two requests share one, so no prefix is ever reused."""
    return tuple(rng.randrange(_CONTROL_IDS, vocab) for _ in range(tokens))


_CONTROL_IDS = 8
