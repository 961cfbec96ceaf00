"""Decode steps as CUDA graphs: captured once per padded number of rows, with and without adapters, then replayed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from serving.gpu.inputs import StaticInputs, StepNumbers

MOST_ROWS = 256
_WARM_UPS = 2
"""Runs before a capture: the first ones compile kernels and take memory, which a capture may not."""

Run = Callable[[], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was captured. replay: computes anew into `output` from what lies at the addresses it was captured with."""

    replay: Callable[[], None]
    output: torch.Tensor


class Capture(Protocol):
    def __call__(self, run: Run) -> Recorded:
        """Runs `run` to warm up, then records it."""


class GraphKey(NamedTuple):
    rows: int
    with_lora: bool


class CudaCapture:
    """Captures into CUDA graphs that share one pool of memory: only one of them runs at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Recorded:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                run()
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # thread_local: adapters that are loaded meanwhile by other threads are none of this graph's business
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = run()
        return Recorded(graph.replay, output)


class RepeatedRun:
    """Stands in for graphs where there are none: a replay runs everything again, into the same output."""

    def __call__(self, run: Run) -> Recorded:
        output = run()

        def replay() -> None:
            output.copy_(run())

        return Recorded(replay, output)


class DecodeGraphs:
    """run(token ids [rows], static inputs, with_lora) → logits [rows, vocab]: what a decode step computes.

    A step of n rows runs as the next power of two; the rows beyond n attend to nothing and are kept nowhere. Adapters,
    ranks, pages and lengths are numbers in static inputs, so no mix of requests needs a graph of its own.
    """

    def __init__(
        self,
        capture: Capture,
        run: Callable[[StaticInputs, bool], torch.Tensor],
        table_pages: int,
        device: torch.device,
    ) -> None:
        self._capture = capture
        self._run = run
        self._table_pages = table_pages
        self._device = device
        self._inputs: dict[int, StaticInputs] = {}
        self._recorded: dict[GraphKey, Recorded] = {}

    @property
    def keys(self) -> frozenset[GraphKey]:
        """What has been captured."""
        return frozenset(self._recorded)

    def forward(self, token_ids: torch.Tensor, numbers: StepNumbers) -> torch.Tensor:
        """Logits [rows, vocab] of a step of decode rows, at most MOST_ROWS.   token_ids: [rows] on the device."""
        count = len(numbers.lengths)
        key = GraphKey(padded_rows(count), bool(numbers.lora))
        if key.rows not in self._inputs:
            self._inputs[key.rows] = StaticInputs(key.rows, self._table_pages, self._device)
        inputs = self._inputs[key.rows]
        inputs.fill(token_ids, numbers)
        if key not in self._recorded:
            self._recorded[key] = self._capture(lambda: self._run(inputs, key.with_lora))
        self._recorded[key].replay()
        return self._recorded[key].output[:count].clone()

    def forget(self, *, with_lora_only: bool) -> None:
        """Drops what was captured: an address that it reads has changed."""
        kept = {key: each for key, each in self._recorded.items() if with_lora_only and not key.with_lora}
        self._recorded = kept


def padded_rows(rows: int) -> int:
    """The next power of two."""
    assert 0 < rows <= MOST_ROWS
    return 1 << (rows - 1).bit_length()
