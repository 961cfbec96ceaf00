"""What the model is asked to compute for a batch."""

import pytest
import torch

from serving.engine.backbone import Backbone
from serving.engine.batch import Batch, Row
from serving.engine.sequence import Sequence
from serving.models.step import Step
from tests.serving.engine.test_scheduler import World


class Noting:
    """A model that notes its step and answers in bfloat16."""

    groups = ()

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def forward(self, step: Step, cache: object) -> torch.Tensor:
        self.steps.append(step)
        return torch.zeros(1, 4, dtype=torch.bfloat16)


def sequence(tokens: list[int], computed: int) -> Sequence:
    made = World().submit(prompt=len(tokens))
    made.token_ids, made.computed_len, made.page_table = tokens, computed, [len(tokens)]
    return made


def step_of(*rows: Row) -> Step:
    model = Noting()
    logits = Backbone(model, None, torch.device("cpu")).forward(Batch.of(rows))  # type: ignore[arg-type]
    assert logits.dtype == torch.float32
    return model.steps[0]


def test_the_step_holds_each_row_s_tokens_at_their_positions() -> None:
    step = step_of(Row.of(sequence([10, 11, 12, 13], 0), 3, None), Row.of(sequence([20, 21, 22], 2), 9, None))

    assert step.token_ids.tolist() == [22, 10, 11, 12]
    assert step.positions.tolist() == [2, 0, 1, 2]
    assert (step.page_tables, step.spans, step.decode_rows) == ([[3], [4]], [(2, 3), (0, 3)], 1)


@pytest.mark.parametrize(("most", "last"), [(3, [0]), (4, [0, 4])])
def test_only_the_rows_that_sample_need_logits(most: int, last: list[int]) -> None:
    step = step_of(Row.of(sequence([10, 11, 12, 13], 0), most, None), Row.of(sequence([20, 21], 1), 9, None))

    assert step.last is not None
    assert step.last.tolist() == last


def test_a_step_whose_every_token_samples_selects_none() -> None:
    assert step_of(Row.of(sequence([20, 21], 1), 9, None), Row.of(sequence([30, 31, 32], 2), 9, None)).last is None
