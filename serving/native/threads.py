"""How many threads share a step: measured once at start, on whole steps of this model on this machine."""

import time

import torch

from serving.config import StepThreads
from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS
from serving.models.backbone import Step
from serving.native.decoder import NativeDecoder

_BATCHES = (1, 8, 32)
_TRIALS = 5
_WORTH_IT = 0.75
"""More threads must take at most this part of the time: they also take the core that the event loop needs."""


@torch.inference_mode()
def choose_threads(decoder: NativeDecoder, cache: KvCache, pages: int, most: int) -> StepThreads:
    """All of `most` from the smallest batch on that they make clearly faster; one thread below it.

    The cache must be unused still: the steps write to its first pages.
    """
    if most > 1:
        for rows in sorted({min(batch, pages) for batch in _BATCHES}):
            alone_s, shared_s = (_step_s(decoder, cache, rows, StepThreads(threads)) for threads in (1, most))
            if shared_s <= _WORTH_IT * alone_s:
                return StepThreads(most, rows)
    return StepThreads(1)


def _step_s(decoder: NativeDecoder, cache: KvCache, rows: int, threads: StepThreads) -> float:
    """The best of several decode steps of `rows` sequences, in seconds."""
    decoder.threads = threads
    tokens, positions = torch.zeros(rows, dtype=torch.long), torch.full((rows,), PAGE_TOKENS - 1)
    spans = [(PAGE_TOKENS - 1, PAGE_TOKENS)] * rows
    step = Step(tokens, positions, None, [[row] for row in range(rows)], spans, rows, None)
    best_s = float("inf")
    for _ in range(_TRIALS):
        started = time.perf_counter()
        decoder.forward(step, cache)
        best_s = min(best_s, time.perf_counter() - started)
    return best_s
