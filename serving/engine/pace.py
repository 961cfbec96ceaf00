"""How many prompt tokens a step may take, so that running answers keep their pace."""

PREFILL_TOKENS = 512
"""The most prompt tokens per step. Longer prompts take several steps."""
STEP_S = 0.1
"""The target duration of a step with prompts. If a step without prompts takes more than half of it, twice that step."""
_LEAST_TOKENS = 64
"""The smallest budget, so that prompts always advance."""
_WEIGHT = 1 / 16
"""The weight of the newest step in the moving averages."""


class Pace:
    """The prompt budget of a step, from measured step times. Owned by the engine thread.

    A step of some decoding rows and n prompt tokens takes decode_s + n * token_s; both are measured.

        budget = (max(STEP_S, 2 * decode_s) - decode_s) / token_s    between _LEAST_TOKENS and PREFILL_TOKENS

    The budget is PREFILL_TOKENS while nothing decodes, because then nobody waits for the step. A smaller budget would
    admit prompts one by one and decode in small batches, which costs throughput. A larger budget would stall every
    running answer visibly.
    """

    def __init__(self) -> None:
        self._decode_s = 0.0
        self._token_s = 0.0

    def prefill_tokens(self, *, anybody_decodes: bool) -> int:
        """The most prompt tokens of the next step."""
        if not anybody_decodes or self._token_s <= 0:
            return PREFILL_TOKENS
        left_s = max(STEP_S - self._decode_s, self._decode_s)
        return max(_LEAST_TOKENS, min(PREFILL_TOKENS, int(left_s / self._token_s)))

    def record(self, decode_rows: int, prefill_tokens: int, step_s: float) -> None:
        """Takes the duration of a step into the averages."""
        if prefill_tokens == 0:
            self._decode_s = _moved(self._decode_s, step_s)
        elif prefill_tokens >= _LEAST_TOKENS:  # fewer tokens do not show the cost of one
            decode_s = min(self._decode_s, step_s) if decode_rows else 0.0
            self._token_s = _moved(self._token_s, (step_s - decode_s) / prefill_tokens)


def _moved(average: float, newest: float) -> float:
    return average + (newest - average) * _WEIGHT if average > 0 else newest
