"""Drawing the next token of each sequence, independently of its batch mates."""

from collections.abc import Sequence

import torch

from serving.draw import Draw
from serving.logit_changes import changed_logits


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | None]:
    """One token per row of `logits` [rows, vocab]; None for a row that holds a NaN or only infinities.

    Bias and penalties first. temperature 0 then takes the largest logit, the first one among equals. Otherwise:
    softmax(logits / temperature), keep what reaches min_p times the likeliest, of these the top_k likeliest, of these
    the shortest prefix that reaches top_p, and invert the cumulative sum at `uniform`.
    """
    drawn = _largest(logits)
    changed = [i for i, draw in enumerate(draws) if draw.changes_logits]
    own: dict[int, torch.Tensor] = {}
    if changed:
        rows = changed_logits(logits[changed], [draws[i] for i in changed])
        own = dict(zip(changed, rows, strict=True))
        for i, token in zip(changed, _largest(rows), strict=True):
            drawn[i] = token
    random = [i for i, draw in enumerate(draws) if draw.params.temperature > 0 and drawn[i] is not None]
    if random:
        picked = torch.stack([own.get(i, logits[i]) for i in random]) if own else logits[random]
        for i, chosen in zip(random, _draw(picked, [draws[i] for i in random]), strict=True):
            drawn[i] = chosen
    return drawn


def _largest(logits: torch.Tensor) -> list[int | None]:
    usable = torch.isfinite(logits.max(dim=-1).values).tolist()
    return [token if good else None for token, good in zip(logits.argmax(dim=-1).tolist(), usable, strict=True)]


def _draw(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    temperature = column([draw.params.temperature for draw in draws])
    # shifting by the maximum first keeps a temperature near zero finite: the likeliest token stays at exactly 0
    shifted = (logits.double() - logits.double().max(dim=-1, keepdim=True).values) / temperature
    ordered, tokens = shifted.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    vocab = logits.shape[1]
    if any(draw.params.min_p > 0 for draw in draws):
        least = column([draw.params.min_p for draw in draws]) * probabilities[:, :1]
        probabilities = probabilities * (probabilities >= least)
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
