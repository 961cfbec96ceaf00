"""Sampling the next token of each sequence, independently of the other rows of the batch."""

from collections.abc import Sequence

import torch

from serving.sampling.draw import Draw
from serving.sampling.logit_changes import changed_logits

HEAD_TOKENS = 512
"""A draw looks at this many of the likeliest tokens before it sorts the whole vocabulary."""


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | None]:
    """One token per row of `logits` [rows, vocab]; None for a row that holds a NaN or only infinities.

    Grammar, bias and penalties come first. Temperature 0 then takes the largest logit, the first of equal ones. Else:
    p = softmax(logits / temperature); keep the tokens with p >= min_p * max(p), of these the top_k likeliest, of these
    the shortest prefix whose sum reaches top_p; and invert the cumulative sum at `uniform`.
    """
    drawn = _largest(logits)
    changed = [i for i, draw in enumerate(draws) if draw.changes_logits]
    own: dict[int, torch.Tensor] = {}
    if changed:
        rows = changed_logits(logits[changed], [draws[i] for i in changed])
        own = dict(zip(changed, rows, strict=True))
        for i, token in zip(changed, _largest(rows), strict=True):
            drawn[i] = None if drawn[i] is None else token  # a change must not hide logits that are not finite
    random = [i for i, draw in enumerate(draws) if draw.params.temperature > 0 and drawn[i] is not None]
    if random:
        picked = torch.stack([own.get(i, logits[i]) for i in random]) if own else logits[random]
        for i, chosen in zip(random, _draw(picked, [draws[i] for i in random]), strict=True):
            drawn[i] = chosen
    return drawn


def _largest(logits: torch.Tensor) -> list[int | None]:
    largest = logits.argmax(dim=-1, keepdim=True)  # a NaN counts as the largest
    usable = torch.isfinite(logits.gather(1, largest))[:, 0].tolist()
    return [token if good else None for token, good in zip(largest[:, 0].tolist(), usable, strict=True)]


def _draw(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    """One token per row, from the likeliest tokens if they decide it, else from all tokens."""
    vocab = logits.shape[1]
    chosen = _draw_among(min(HEAD_TOKENS, vocab), logits, draws)
    for i, token in enumerate(chosen):
        if token is None:
            # one by one, so that a row's arithmetic does not depend on which other rows are undecided
            (chosen[i],) = _draw_among(vocab, logits[i : i + 1], draws[i : i + 1])
    return [token for token in chosen if token is not None]


def _draw_among(count: int, logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | None]:
    """The draw of each row, from its `count` likeliest tokens; None if it depends on less likely tokens.

    The likeliest tokens decide a draw if a filter ends within them, or if the target is reached within them and the
    filters keep all other tokens.
    """

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    vocab, place = logits.shape[1], torch.arange(count, device=logits.device)
    # shifting by the maximum first keeps a temperature near zero finite: the likeliest token stays at exactly 0
    shifted = logits.double().sub_(logits.amax(dim=-1, keepdim=True))
    everything = shifted.div_(column([draw.params.temperature for draw in draws])).softmax(dim=-1)
    tokens, known = _likeliest(logits, count)
    ordered = everything.gather(1, tokens) * (place < known)
    least = column([draw.params.min_p for draw in draws]) * ordered[:, :1]
    top_k = column([min(draw.params.top_k or vocab, vocab) for draw in draws])
    likely = ordered * ((ordered >= least) & (place < top_k))
    whole = torch.ones_like(least)
    if any(draw.params.min_p > 0 for draw in draws):
        whole = torch.where(least > 0, (everything * (everything >= least)).sum(dim=-1, keepdim=True), whole)
    likely = likely / torch.where(top_k < vocab, likely.sum(dim=-1, keepdim=True), whole)
    top_p = column([draw.params.top_p for draw in draws])
    kept = likely * ((likely.cumsum(dim=-1) - likely < top_p) | (place == 0))
    cumulative = kept.cumsum(dim=-1)
    nothing_beyond = everything.gather(1, tokens[:, -1:]) == 0  # as where a grammar leaves a few tokens
    limits = (top_k <= known) | (top_k == vocab) | nothing_beyond
    ends = (known == vocab) | (top_k <= known) | nothing_beyond | (kept.gather(1, (known - 1).clamp(min=0)) == 0)
    target = column([draw.uniform for draw in draws]) * torch.where(ends, cumulative[:, -1:], 1.0)
    # rounding may push the target to the very end: never past the last token that was kept
    last_kept = (kept > 0).sum(dim=-1, keepdim=True) - 1
    index = torch.minimum(torch.searchsorted(cumulative, target, right=True), last_kept)
    decided = (known > 0) & limits & (ends | ((top_p >= 1) & (target < cumulative[:, -1:])))
    chosen = tokens.gather(1, index.clamp(min=0))[:, 0].tolist()
    return [token if is_decided else None for token, is_decided in zip(chosen, decided[:, 0].tolist(), strict=True)]


def _likeliest(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` likeliest tokens of each row, equal ones by id, and how many exceed all other tokens: [rows, 1]."""
    if count == logits.shape[1]:
        tokens = logits.sort(dim=-1, descending=True, stable=True).indices
        return tokens, torch.full_like(tokens[:, :1], count)
    tokens = logits.topk(count, dim=-1).indices.sort(dim=-1).values
    values, order = logits.gather(1, tokens).sort(dim=-1, descending=True, stable=True)
    # topk may take any of the tokens that equal the last one
    return tokens.gather(1, order), (values > values[:, -1:]).sum(dim=-1, keepdim=True)
