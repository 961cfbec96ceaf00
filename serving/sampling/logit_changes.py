"""The changes that a request makes to its logits before they become probabilities."""

from collections.abc import Sequence
from itertools import chain

import torch

from serving.sampling.draw import Draw


def changed_logits(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Returns `logits` [rows, vocab] after each row's grammar, bias, withheld tokens and penalties, in vLLM's order.

        grammar     l[t] = -inf                                          for t not allowed; nothing undoes it
        bias        l[t] += logit_bias[t]                                withheld    l[t] = -inf
        repetition  l[t] = l[t] / p if l[t] > 0 else l[t] * p            for t in prompt or output (arXiv 1909.05858)
        frequency and presence   l[t] -= count[t] * frequency + presence                 for t in the output

    Every row depends on its own draw alone. Only the named tokens change.
    """
    vocab = logits.shape[1]
    changed = logits.flatten().clone()
    for row, draw in zip(changed.view_as(logits), draws, strict=True):
        if draw.allowed is not None:
            _restrict(row, draw.allowed[:vocab])
    biases = [(row * vocab + token, bias) for row, draw in enumerate(draws) for token, bias in draw.params.logit_bias]
    if biases:
        places, values = zip(*biases, strict=True)
        changed[_ids(places, logits)] += torch.tensor(values).to(logits)
    # a model may name end tokens that its output layer does not have
    withheld = [row * vocab + token for row, draw in enumerate(draws) for token in draw.withheld if token < vocab]
    if withheld:
        changed[_ids(withheld, logits)] = float("-inf")
    if any(draw.params.repetition_penalty != 1 for draw in draws):
        _penalise_repetition(changed, vocab, draws)
    if any(draw.params.frequency_penalty or draw.params.presence_penalty for draw in draws):
        _penalise_output(changed, vocab, draws)
    return changed.view_as(logits)


def _restrict(row: torch.Tensor, allowed: torch.Tensor) -> None:
    """Keeps the allowed tokens of `row` [vocab] only. An output layer may be wider than the vocabulary."""
    row[: len(allowed)].masked_fill_(~allowed.to(row.device), float("-inf"))
    row[len(allowed) :] = float("-inf")


def _penalise_repetition(changed: torch.Tensor, vocab: int, draws: Sequence[Draw]) -> None:
    penalties = [draw.params.repetition_penalty for draw in draws]
    known = [draw.token_ids if penalty != 1 else () for draw, penalty in zip(draws, penalties, strict=True)]
    places, rows, _ = _occurrences(known, vocab, changed)
    before, penalty = changed[places], torch.tensor(penalties).to(changed)[rows]
    changed[places] = torch.where(before > 0, before / penalty, before * penalty)


def _penalise_output(changed: torch.Tensor, vocab: int, draws: Sequence[Draw]) -> None:
    places, rows, counts = _occurrences([draw.token_ids[draw.prompt_len :] for draw in draws], vocab, changed)
    frequency = torch.tensor([draw.params.frequency_penalty for draw in draws]).to(changed)[rows]
    presence = torch.tensor([draw.params.presence_penalty for draw in draws]).to(changed)[rows]
    changed[places] -= counts * frequency + presence


def _occurrences(
    lists: Sequence[Sequence[int]], vocab: int, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The distinct tokens of each list: their places in flat [rows, vocab], their rows, how often each occurs."""
    rows = torch.arange(len(lists)).repeat_interleave(torch.tensor([len(ids) for ids in lists]))
    places = rows * vocab + torch.tensor(list(chain.from_iterable(lists)), dtype=torch.int64)
    distinct, counts = torch.unique(places.to(like.device), return_counts=True)
    return distinct, distinct // vocab, counts


def _ids(values: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64, device=like.device)
