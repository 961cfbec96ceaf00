"""How many prompt tokens a step may take, so that those who are being answered keep their pace."""

from serving.engine.scheduler import PREFILL_TOKENS

STEP_S = 0.1
"""With prompts in it a step takes this long at most, or twice as long as one without, if that is more."""
_LEAST_TOKENS = 64
"""Even so prompts get on."""
_MEMORY = 1 / 16
"""The weight of the newest step in the moving averages."""


class Pace:
    """A step of `rows` decoding sequences and n prompt tokens takes decode_s + n * token_s; both are measured.

    budget = (max(STEP_S, 2 * decode_s) - decode_s) / token_s, between _LEAST_TOKENS and PREFILL_TOKENS; and all of
    PREFILL_TOKENS while nobody decodes, who would have to wait. A smaller budget would let prompts come in one by one
    and decode in small batches, which costs throughput; a larger one would show as a stutter in every running answer.
    """

    def __init__(self) -> None:
        self._decode_s = 0.0
        self._token_s = 0.0

    def prefill_tokens(self, *, anybody_decodes: bool) -> int:
        if not anybody_decodes or self._token_s <= 0:
            return PREFILL_TOKENS
        left_s = max(STEP_S - self._decode_s, self._decode_s)
        return max(_LEAST_TOKENS, min(PREFILL_TOKENS, int(left_s / self._token_s)))

    def took(self, decode_rows: int, prefill_tokens: int, step_s: float) -> None:
        """A step has taken `step_s`."""
        if prefill_tokens == 0:
            self._decode_s = _moved(self._decode_s, step_s)
        elif prefill_tokens >= _LEAST_TOKENS:  # of few tokens it cannot be told what one costs
            decode_s = min(self._decode_s, step_s) if decode_rows else 0.0
            self._token_s = _moved(self._token_s, (step_s - decode_s) / prefill_tokens)


def _moved(average: float, newest: float) -> float:
    return average + (newest - average) * _MEMORY if average > 0 else newest
