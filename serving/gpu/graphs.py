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
    """A captured computation. replay: runs it again on the same addresses and writes the result to `output`."""

    replay: Callable[[], None]
    output: torch.Tensor


class Capture(Protocol):
    """Records a computation that can be replayed."""

    def __call__(self, run: Run) -> Recorded:
        """Runs `run` to warm up, then records it."""


class GraphKey(NamedTuple):
    """The kinds of decode steps that have a graph of their own."""

    rows: int
    with_lora: bool


class CudaCapture:
    """Captures CUDA graphs. They share one memory pool, because only one of them runs at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Recorded:
        """Warms `run` up on a side stream, then captures it."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                run()
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # thread_local: other threads may copy adapters meanwhile, which must not become part of this graph
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = run()
        return Recorded(graph.replay, output)


class RepeatedRun:
    """Replaces graphs on devices without them: a replay runs everything again, into the same output."""

    def __call__(self, run: Run) -> Recorded:
        """Runs `run` once."""
        output = run()

        def replay() -> None:
            output.copy_(run())

        return Recorded(replay, output)


class DecodeGraphs:
    """run(token ids [rows], static inputs, with_lora) → logits [rows, vocab]: what a decode step computes.

    A step of n rows is padded to the next power of two; padding rows attend to nothing and are not stored. Adapters,
    ranks, pages and lengths are data in static inputs, so one graph serves every mix of requests.
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
        """The kinds of steps that have been captured."""
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
        """Drops captured graphs, because an address that they read has changed."""
        kept = {key: each for key, each in self._recorded.items() if with_lora_only and not key.with_lora}
        self._recorded = kept


def padded_rows(rows: int) -> int:
    """The next power of two."""
    assert 0 < rows <= MOST_ROWS
    return 1 << (rows - 1).bit_length()
