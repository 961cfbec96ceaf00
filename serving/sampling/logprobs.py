"""How likely the model found what was drawn, for the requests that ask."""

from collections.abc import Sequence

import torch

from serving.sampling.draw import Draw
from serving.types import TokenLogprobs

MAX_TOP_LOGPROBS = 20


def logprobs_of(logits: torch.Tensor, draws: Sequence[Draw], tokens: Sequence[int | None]) -> dict[int, TokenLogprobs]:
    """log softmax of `logits` [rows, vocab] at each row's drawn token and at its likeliest ones, by row that asked."""
    asked = {i: (token, draws[i].params.logprobs) for i, token in enumerate(tokens)}
    told: dict[int, TokenLogprobs] = {}
    rows = [i for i, (token, count) in asked.items() if token is not None and count is not None]
    if not rows:
        return told
    logprobs = logits[rows].double().log_softmax(dim=-1)
    # always as many: which of two equal tokens comes first must not depend on what batch mates ask for
    likeliest = logprobs.topk(min(MAX_TOP_LOGPROBS, logits.shape[1]), dim=-1)
    values, ids = likeliest.values.tolist(), likeliest.indices.tolist()
    for place, row in enumerate(rows):
        token, count = asked[row]
        assert token is not None
        top = tuple(zip(ids[place][:count], values[place][:count], strict=True))
        told[row] = TokenLogprobs(token, float(logprobs[place, token]), top)
    return told
