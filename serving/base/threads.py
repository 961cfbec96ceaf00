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
"""Time limit per batch size. A large model is measured once even if that takes longer."""
_WORTH_IT = 0.75
"""More threads must take at most this share of the time, because they also take the core that the event loop needs."""


@torch.inference_mode()
def choose_threads(decoder: NativeDecoder, cache: KvCache, pages: int, most: int) -> StepThreads:
    """`most` threads from the smallest batch on that they make clearly faster, and one thread for smaller batches.

    The cache must not be in use yet: the measured steps write to its first pages.
    """
    if most > 1:
        for rows in sorted({min(batch, pages) for batch in _BATCHES}):
            if time_ratio(decoder, cache, rows, most) <= _WORTH_IT:
                return StepThreads(most, rows)
    return StepThreads(1)


def time_ratio(decoder: NativeDecoder, cache: KvCache, rows: int, most: int) -> float:
    """The time of a decode step of `rows` sequences with `most` threads, divided by that with one: the best of each."""
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
