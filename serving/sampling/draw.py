"""Everything that decides the next token of a sequence besides the logits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from serving.types import SamplingParams

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Draw:
    """How one sequence samples its output token number `index`. The seed is fixed per request.

    token_ids: the prompt, then the output so far. withheld: tokens that may not be sampled now. allowed: the tokens
    that a grammar allows, as bool [vocabulary]; None allows all.
    """

    params: SamplingParams
    seed: int
    index: int
    token_ids: Sequence[int] = ()
    prompt_len: int = 0
    withheld: Collection[int] = ()
    allowed: torch.Tensor | None = None

    @property
    def changes_logits(self) -> bool:
        """Whether the logits must be changed before they become probabilities."""
        params = self.params
        penalties = (params.repetition_penalty, params.frequency_penalty, params.presence_penalty)
        return self.allowed is not None or bool(self.withheld or params.logit_bias) or penalties != (1, 0, 0)

    @property
    def uniform(self) -> float:
        """The random number in [0, 1) of this draw. It is counter-based: a function of seed and index alone.

        SplitMix64 (Steele, Lea, Flood 2014) at state seed + index * golden gamma, after mixing the seed once.
        """
        return _mix((_mix(self.seed & _MASK) + (self.index + 1) * 0x9E3779B97F4A7C15) & _MASK) / 2.0**64


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
