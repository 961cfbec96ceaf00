"""How many threads share a step: measured once at start, on whole steps of this model on this machine."""

import time

import torch

from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS
from serving.models.backbone import Step
from serving.native.decoder import NativeDecoder

_BATCHES = (1, 8, 32)
_TRIALS = 5
_WORTH_IT = 0.75
"""More threads must take at most this part of the time: they also take the core that the event loop needs."""


@torch.inference_mode()
def choose_threads(decoder: NativeDecoder, cache: KvCache, pages: int, most: int) -> None:
    """Sets `decoder.threads` to `most` if that makes steps of few and of many sequences clearly faster, else to 1.

    The cache must be unused still: the steps write to its first pages.
    """
    if most == 1:
        decoder.threads = 1
        return
    took_s = {threads: _step_s(decoder, cache, pages, threads) for threads in (1, most)}
    decoder.threads = most if took_s[most] <= _WORTH_IT * took_s[1] else 1


def _step_s(decoder: NativeDecoder, cache: KvCache, pages: int, threads: int) -> float:
    """The best of several decode steps of each batch, added up, in seconds."""
    decoder.threads = threads
    total_s = 0.0
    for rows in {min(batch, pages) for batch in _BATCHES}:
        tokens = torch.zeros(rows, dtype=torch.long)
        positions = torch.full((rows,), PAGE_TOKENS - 1)
        spans = [(PAGE_TOKENS - 1, PAGE_TOKENS)] * rows
        step = Step(tokens, positions, None, [[row] for row in range(rows)], spans, rows, None)
        best_s = float("inf")
        for _ in range(_TRIALS):
            started = time.perf_counter()
            decoder.forward(step, cache)
            best_s = min(best_s, time.perf_counter() - started)
        total_s += best_s
    return total_s
