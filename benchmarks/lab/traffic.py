"""The traffic: which model each request names, when it arrives, and its prompt, all drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Literal

Popularity = Literal["distinct", "uniform", "zipf", "identical"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. model: a served name. The output is greedy and exactly `new_tokens` long."""

    model: str
    prompt_ids: tuple[int, ...]
    new_tokens: int
    tenant: str = "bench"


def pick(popularity: Popularity, models: int, count: int, rng: random.Random) -> list[int]:
    """The model of each of `count` requests, as numbers below `models`.

    distinct: one after the other.   uniform: all equally likely.   identical: always the first.
    zipf: weight 1 / rank, which is true Zipf; S-LoRA's α and the geometric "skewed" of others are different laws.
    """
    match popularity:
        case "distinct":
            return [number % models for number in range(count)]
        case "uniform":
            return rng.choices(range(models), k=count)
        case "zipf":
            return rng.choices(range(models), [1 / (rank + 1) for rank in range(models)], k=count)
        case "identical":
            return [0] * count


def arrivals(rate_per_s: float, count: int, rng: random.Random) -> list[float]:
    """Arrival times of `count` requests in seconds after the start: a Poisson process."""
    now, times = 0.0, []
    for _ in range(count):
        now += rng.expovariate(rate_per_s)
        times.append(now)
    return times


def prompt(vocab: int, tokens: int, rng: random.Random) -> tuple[int, ...]:
    """Random token ids above the control tokens, so that practically no two requests share a prefix."""
    return tuple(rng.randrange(_CONTROL_IDS, vocab) for _ in range(tokens))


_CONTROL_IDS = 8
