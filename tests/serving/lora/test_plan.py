"""A step's segments."""

import pytest
import torch

from serving.lora.plan import LoraPlan, Segment
from tests.serving.lora.popularity import make_slot

FIRST, SECOND = (make_slot(i, 4, {"m": 8}, d_in=8, dtype=torch.float32) for i in range(2))


def test_adjacent_segments_of_an_adapter_are_merged() -> None:
    plan = LoraPlan.of([Segment(FIRST, 0, 1), Segment(FIRST, 1, 3), Segment(SECOND, 3, 4), Segment(FIRST, 4, 5)])

    assert plan is not None
    assert plan.segments == (Segment(FIRST, 0, 3), Segment(SECOND, 3, 4), Segment(FIRST, 4, 5))


def test_segments_with_rows_of_the_base_between_them_stay_apart() -> None:
    plan = LoraPlan.of([Segment(FIRST, 0, 1), Segment(FIRST, 2, 3)])

    assert plan is not None
    assert len(plan.segments) == 2


def test_a_step_without_adapters_has_no_plan() -> None:
    assert LoraPlan.of([]) is None


def test_segments_out_of_order_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="row order"):
        LoraPlan.of([Segment(FIRST, 3, 4), Segment(SECOND, 0, 1)])
