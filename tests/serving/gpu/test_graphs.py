"""Which graphs are captured, when they are replayed, and when they are dropped."""

import pytest
import torch

from serving.gpu.graphs import MOST_ROWS, DecodeGraphs, GraphKey, Recorded, Run, padded_rows
from serving.gpu.inputs import StaticInputs, StepNumbers
from serving.gpu.tiles import SMALL, LoraTile
from tests.serving.gpu.machine import DEVICE

TABLE_PAGES = 4


class Diary:
    """Captures nothing and notes what is asked of it; `run` is done again by each replay, as a graph would."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, run: Run) -> Recorded:
        self.events.append("capture")
        output = run()

        def replay() -> None:
            self.events.append("replay")
            output.copy_(run())

        return Recorded(replay, output)


def decode(static: StaticInputs, with_lora: bool) -> torch.Tensor:
    """A model that tells what it was given: [rows, 4]."""
    inputs = static.inputs
    told = inputs.lora[:, 0] if with_lora else torch.zeros_like(inputs.lengths)
    return torch.stack((static.token_ids, inputs.lengths, inputs.places, told), dim=1).float()


def numbers_of(lengths: list[int], lora: list[LoraTile] | None = None) -> StepNumbers:
    rows = range(len(lengths))
    places = [10 * row for row in rows]
    return StepNumbers([n - 1 for n in lengths], places, lengths, list(rows), [], lora or [], SMALL, list(rows))


def forward(graphs: DecodeGraphs, lengths: list[int], lora: list[LoraTile] | None = None) -> list[list[float]]:
    rows = len(lengths)
    logits = graphs.forward(torch.arange(50, 50 + rows, device=DEVICE), numbers_of(lengths, lora))
    assert isinstance(logits, torch.Tensor)
    return [[float(each) for each in row] for row in logits.tolist()]


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def graphs(diary: Diary) -> DecodeGraphs:
    return DecodeGraphs(diary, decode, TABLE_PAGES, DEVICE)


def test_rows_are_padded_to_powers_of_two() -> None:
    assert [padded_rows(rows) for rows in (1, 2, 3, 4, 5, 100, 128, 129, 256)] == [1, 2, 4, 4, 8, 128, 128, 256, 256]
    assert len({padded_rows(rows) for rows in range(1, MOST_ROWS + 1)}) == 9


def test_a_graph_is_captured_once_and_then_replayed_with_the_new_numbers(graphs: DecodeGraphs, diary: Diary) -> None:
    first = forward(graphs, [7, 8, 9], [(5, 0, 1)])
    second = forward(graphs, [3, 4, 5], [(6, 0, 1), (2, 2, 1)])

    assert diary.events == ["capture", "replay", "replay"]
    assert first == [[50, 7, 0, 5], [51, 8, 10, 0], [52, 9, 20, 0]]
    assert second == [[50, 3, 0, 6], [51, 4, 10, 2], [52, 5, 20, 0]]


def test_graphs_depend_on_padded_rows_and_on_lora_alone(graphs: DecodeGraphs, diary: Diary) -> None:
    for count in (3, 4, 2, 3, 1):
        forward(graphs, [9] * count)
        forward(graphs, [5] * count, [(1, 0, 1)])

    assert graphs.keys == {GraphKey(rows, lora) for rows in (1, 2, 4) for lora in (False, True)}
    assert diary.events.count("capture") == 6


def test_fewer_rows_than_before_leave_nothing_of_the_step_before(graphs: DecodeGraphs) -> None:
    seen = []

    def spying(static: StaticInputs, with_lora: bool) -> torch.Tensor:
        seen.append((static.inputs.lengths.tolist(), static.inputs.places.tolist(), static.inputs.lora[:, 2].tolist()))
        return decode(static, with_lora)

    graphs = DecodeGraphs(Diary(), spying, TABLE_PAGES, DEVICE)
    forward(graphs, [7, 8, 9, 6], [(1, 0, 4)])
    forward(graphs, [7, 8, 9], [(1, 0, 1)])

    assert seen[-1] == ([7, 8, 9, 0], [0, 10, 20, -1], [1, 0, 0, 0])


def test_an_answer_outlives_the_next_step(graphs: DecodeGraphs) -> None:
    logits = graphs.forward(torch.zeros(1, dtype=torch.int64, device=DEVICE), numbers_of([7]))

    graphs.forward(torch.zeros(1, dtype=torch.int64, device=DEVICE), numbers_of([8]))

    assert logits[0, 1] == 7


def test_what_reads_the_slot_table_can_be_dropped_alone(graphs: DecodeGraphs) -> None:
    forward(graphs, [1])
    forward(graphs, [1], [(1, 0, 1)])

    graphs.forget(with_lora_only=True)
    assert graphs.keys == {GraphKey(1, False)}

    graphs.forget(with_lora_only=False)
    assert not graphs.keys
