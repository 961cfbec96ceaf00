"""Two short sequences, computed once as the engine computes them and once by transformers in one pass."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from serving.kv.cache import KvCache
from serving.models.step import Step, StepForward

Spans = tuple[tuple[int, int], tuple[int, int]]
"""Which tokens (start, end) of each of the two sequences a step computes."""

_LONG: tuple[Spans, ...] = (
    ((0, 17), (0, 0)),
    ((17, 37), (0, 13)),
    ((37, 38), (13, 18)),
    *(((38 + i, 39 + i), (18 + i, 19 + i)) for i in range(6)),
)
"""A prompt in two chunks, the second together with another prompt; a decode step together with a chunk; decode steps of
both sequences. Both sequences cross pages and reach past shortened windows."""
_BRIEF: tuple[Spans, ...] = (
    ((0, 5), (0, 0)),
    ((5, 9), (0, 4)),
    ((9, 10), (4, 6)),
    *(((10 + i, 11 + i), (6 + i, 7 + i)) for i in range(3)),
)
"""The same kinds of steps with fewer tokens."""
_TABLES = (3, 0, 4), (2, 1)
"""Pages of each sequence: neither in order nor neighbours, and enough for the long steps."""


class Trial:
    """phases: how the engine computes each token: as a "prompt", a "second chunk" or a "decode" row.

    ids: the tokens of both sequences.
    """

    def __init__(self, vocabulary: int, context: int, device: torch.device, *, brief: bool) -> None:
        """vocabulary: token ids are drawn below it.   context: no sequence gets longer.

        brief: 22 tokens, for a whole model; otherwise 68, for a part.
        """
        self._steps = _BRIEF if brief else _LONG
        lengths = [min(length, context) for length in self._steps[-1][0][1:] + self._steps[-1][1][1:]]
        generator = torch.Generator().manual_seed(3)
        self.ids = [torch.randint(vocabulary, (length,), generator=generator).to(device) for length in lengths]
        self._device = device
        self.phases = [phase for i in range(2) for phase in self._phases(i, lengths[i])]

    @property
    def batch_shape(self) -> tuple[int, int]:
        """Of the one pass: [sequences, tokens]."""
        return len(self.ids), max(map(len, self.ids))

    @torch.inference_mode()
    def by_transformers(self, model: PreTrainedModel) -> torch.Tensor:
        """One pass without a cache: [tokens, vocabulary] in float32, the second sequence after the first.

        The shorter sequence is padded at its end, which no token of a causal model attends to.
        """
        ids = torch.nn.utils.rnn.pad_sequence(self.ids, batch_first=True)
        logits = model(input_ids=ids, use_cache=False).logits.float()
        return torch.cat([rows[: len(own)] for rows, own in zip(logits, self.ids, strict=True)])

    @torch.inference_mode()
    def in_steps(self, forward: StepForward, dtype: torch.dtype) -> torch.Tensor:
        """The same logits, computed step by step with a cache in `dtype`."""
        cache = KvCache(forward.layers, 1 + max(max(table) for table in _TABLES), dtype, self._device)
        parts: list[list[torch.Tensor]] = [[], []]
        for spans in self._steps:
            clipped = [(start, min(end, len(ids))) for (start, end), ids in zip(spans, self.ids, strict=True)]
            present = [i for i, (start, end) in enumerate(clipped) if start < end]
            if present:
                counts = [clipped[i][1] - clipped[i][0] for i in present]
                logits = forward.forward(self._step(present, clipped), cache).float()
                for i, rows in zip(present, torch.split(logits, counts), strict=True):
                    parts[i].append(rows)
        return torch.cat([*parts[0], *parts[1]])

    def _step(self, present: Sequence[int], spans: Sequence[tuple[int, int]]) -> Step:
        """Rows with one new token behind others are decode rows; the steps are written so that these come first."""
        own = [spans[i] for i in present]
        return Step(
            token_ids=torch.cat([self.ids[i][slice(*spans[i])] for i in present]),
            positions=torch.cat([torch.arange(*span, device=self._device) for span in own]),
            last=None,
            page_tables=[_TABLES[i] for i in present],
            spans=own,
            decode_rows=sum(start > 0 and end - start == 1 for start, end in own),
            lora=None,
        )

    def _phases(self, sequence: int, length: int) -> list[str]:
        phases = []
        for spans in self._steps:
            start, end = spans[sequence]
            phase = "prompt" if start == 0 else "decode" if end - start == 1 else "second chunk"
            phases += [phase] * max(0, min(end, length) - start)
        return phases
