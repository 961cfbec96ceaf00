"""The next token of each sequence, from the logits of a step."""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import torch

from serving.engine.sequence import Sequence
from serving.sampling.draw import Draw
from serving.sampling.logprobs import logprobs_of
from serving.sampling.sampling import sample
from serving.types import TokenLogprobs


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sampled token. token: None if the logits were not finite. logprobs: None if the request asks for none."""

    token: int | None
    logprobs: TokenLogprobs | None


class Sampler:
    """Samples for one base model. eos_ids: the tokens that end an output unless the request ignores them."""

    def __init__(self, eos_ids: frozenset[int]) -> None:
        self._eos_ids = eos_ids

    def sample(self, logits: torch.Tensor, sequences: Ordered[Sequence]) -> list[Sampled]:
        """One token per row of `logits` [sequences, vocab], in row order."""
        draws = [self._draw(sequence) for sequence in sequences]
        tokens = sample(logits, draws)
        logprobs = logprobs_of(logits, draws, tokens)
        return [Sampled(token, logprobs.get(row)) for row, token in enumerate(tokens)]

    def stop_ids(self, sequence: Sequence) -> frozenset[int]:
        """The tokens that end its output. They are counted, but their text is not part of the output."""
        own = frozenset(sequence.sampling.stop_token_ids)
        return own if sequence.sampling.ignore_eos else own | self._eos_ids

    def _draw(self, sequence: Sequence) -> Draw:
        params, index = sequence.sampling, sequence.output_len
        withheld = self.stop_ids(sequence) if index < params.min_tokens else frozenset[int]()
        allowed = None if sequence.matcher is None else sequence.matcher.allowed()
        return Draw(params, sequence.seed, index, sequence.token_ids, sequence.prompt_len, withheld, allowed)
