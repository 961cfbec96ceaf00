"""A step's plan of attention is made when it is first needed, and once."""

import torch

from serving.models.step import Step


def test_attention_is_planned_once_from_the_steps_own_sequences() -> None:
    step = Step(torch.arange(6), torch.arange(6), None, [[3], [1]], [(8, 9), (0, 5)], 1, None)

    plan = step.attention

    assert step.attention is plan
    assert plan.write.tolist() == [3 * 16 + 8, *range(16, 21)]
    assert [(segment.start, segment.end) for segment in plan.prefill] == [(1, 6)]
    assert [group.lengths.tolist() for group in plan.decode] == [[[9]]]
