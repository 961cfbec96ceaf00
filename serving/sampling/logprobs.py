"""Log probabilities of the sampled tokens, for the requests that ask for them."""

from collections.abc import Sequence

import torch

from serving.sampling.draw import Draw
from serving.types import TokenLogprobs

MAX_TOP_LOGPROBS = 20


def logprobs_of(logits: torch.Tensor, draws: Sequence[Draw], tokens: Sequence[int | None]) -> dict[int, TokenLogprobs]:
    """log softmax of `logits` [rows, vocab] at each row's sampled token and at its likeliest tokens.

    Keys are the rows whose draw asks for logprobs.
    """
    asked = {i: (token, draws[i].params.logprobs) for i, token in enumerate(tokens)}
    results: dict[int, TokenLogprobs] = {}
    rows = [i for i, (token, count) in asked.items() if token is not None and count is not None]
    if not rows:
        return results
    logprobs = logits[rows].double().log_softmax(dim=-1)
    # always the same number: the order of equal tokens must not depend on what other rows ask for
    likeliest = logprobs.topk(min(MAX_TOP_LOGPROBS, logits.shape[1]), dim=-1)
    values, ids = likeliest.values.tolist(), likeliest.indices.tolist()
    for place, row in enumerate(rows):
        token, count = asked[row]
        assert token is not None
        top = tuple(zip(ids[place][:count], values[place][:count], strict=True))
        results[row] = TokenLogprobs(token, float(logprobs[place, token]), top)
    return results
