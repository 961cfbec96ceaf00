"""How many threads share a step: measured once at start, on whole steps of this model on this machine."""

import time

import torch

from serving.config import StepThreads
from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS
from serving.models.step import Step
from serving.native.decoder import NativeDecoder

_BATCHES = (1, 8, 32)
_TRIALS = 20
_PROBE_S = 0.2
"""A large model is not probed longer than this per batch, but always once."""
_WORTH_IT = 0.75
"""More threads must take at most this part of the time: they also take the core that the event loop needs."""


@torch.inference_mode()
def choose_threads(decoder: NativeDecoder, cache: KvCache, pages: int, most: int) -> StepThreads:
    """All of `most` from the smallest batch on that they make clearly faster; one thread below it.

    The cache must be unused still: the steps write to its first pages.
    """
    if most > 1:
        for rows in sorted({min(batch, pages) for batch in _BATCHES}):
            if _shared_part(decoder, cache, rows, most) <= _WORTH_IT:
                return StepThreads(most, rows)
    return StepThreads(1)


def _shared_part(decoder: NativeDecoder, cache: KvCache, rows: int, most: int) -> float:
    """The time of a shared decode step of `rows` sequences over that of one thread: the best of each, in turn."""
    tokens, positions = torch.zeros(rows, dtype=torch.long), torch.full((rows,), PAGE_TOKENS - 1)
    spans = [(PAGE_TOKENS - 1, PAGE_TOKENS)] * rows
    step = Step(tokens, positions, None, [[row] for row in range(rows)], spans, rows, None)
    best_s = {1: float("inf"), most: float("inf")}
    ends_at = time.perf_counter() + _PROBE_S
    for _ in range(_TRIALS):
        for threads in (1, most):
            decoder.threads = StepThreads(threads)
            started = time.perf_counter()
            decoder.forward(step, cache)
            best_s[threads] = min(best_s[threads], time.perf_counter() - started)
        if time.perf_counter() > ends_at:
            break
    return best_s[most] / best_s[1]
