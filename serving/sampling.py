"""Drawing the next token of each sequence, independently of its batch mates."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from serving.types import SamplingParams

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Draw:
    """How one sequence draws its output token number `index`. The seed is fixed per request."""

    params: SamplingParams
    seed: int
    index: int

    @property
    def uniform(self) -> float:
        """The random number in [0, 1) of this draw: a function of seed and index alone, hence counter-based.

        SplitMix64 (Steele, Lea, Flood 2014) at state seed + index * golden gamma, after mixing the seed once.
        """
        return _mix((_mix(self.seed & _MASK) + (self.index + 1) * 0x9E3779B97F4A7C15) & _MASK) / 2.0**64


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | None]:
    """One token per row of `logits` [rows, vocab]; None for a row that holds a NaN or only infinities.

    temperature 0 takes the largest logit, the first one among equals. Otherwise: softmax(logits / temperature), keep
    the top_k likeliest, then the shortest prefix that reaches top_p, and invert the cumulative sum at `uniform`.
    """
    largest = logits.argmax(dim=-1, keepdim=True)  # a NaN counts as the largest
    usable = torch.isfinite(logits.gather(1, largest))[:, 0].tolist()
    greedy = largest[:, 0].tolist()
    drawn: list[int | None] = [token if good else None for token, good in zip(greedy, usable, strict=True)]
    rows = [i for i, draw in enumerate(draws) if draw.params.temperature > 0 and usable[i]]
    if rows:
        chosen = _draw(logits[rows], [draws[i] for i in rows])
        for row, token in zip(rows, chosen, strict=True):
            drawn[row] = token
    return drawn


def _draw(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    temperature = column([draw.params.temperature for draw in draws])
    # shifting by the maximum first keeps a temperature near zero finite: the likeliest token stays at exactly 0
    shifted = (logits.double() - logits.double().max(dim=-1, keepdim=True).values) / temperature
    ordered, tokens = shifted.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    vocab = logits.shape[1]
    top_k = column([draw.params.top_k or vocab for draw in draws])
    probabilities = probabilities * (torch.arange(vocab, device=logits.device) < top_k)
    probabilities = probabilities / probabilities.sum(dim=-1, keepdim=True)
    before = probabilities.cumsum(dim=-1) - probabilities
    top_p = column([draw.params.top_p for draw in draws])
    kept = probabilities * (before < top_p).where(torch.arange(vocab, device=logits.device) > 0, True)
    cumulative = kept.cumsum(dim=-1)
    target = column([draw.uniform for draw in draws]) * cumulative[:, -1:]
    # rounding may push the target to the very end: never past the last token that was kept
    index = torch.searchsorted(cumulative, target, right=True)
    last_kept = (kept > 0).sum(dim=-1, keepdim=True) - 1
    chosen: list[int] = tokens.gather(1, torch.minimum(index, last_kept))[:, 0].tolist()
    return chosen
