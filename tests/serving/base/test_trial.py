"""The trial's steps are steps as the engine makes them, and compute every token once."""

import pytest
import torch

from serving.base.trial import Trial
from serving.kv.cache import KvCache
from serving.models.fused import FusedDecoder
from serving.models.step import Step
from tests.serving.base.models import CONTEXT, config_of, model_of

CPU = torch.device("cpu")


class Recorder(FusedDecoder):
    """Notes every step."""

    steps: list[Step]

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        self.steps.append(step)
        return super().forward(step, cache)


def recorded(trial: Trial) -> tuple[list[Step], torch.Tensor]:
    forward = Recorder(model_of(config_of("llama")))
    forward.steps = []
    return forward.steps, trial.in_steps(forward, torch.float32)


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize("context", [1, 3, 8, 18, 40, CONTEXT])
def test_both_ways_give_the_same_rows(context: int, *, brief: bool) -> None:
    trial = Trial(96, context, CPU, brief=brief)

    steps, got = recorded(trial)

    assert torch.allclose(got, trial.by_transformers(model_of(config_of("llama"))), atol=1e-5)
    assert len(trial.phases) == len(got) == sum(map(len, trial.ids))
    assert max(end for step in steps for _, end in step.spans) <= context


@pytest.mark.parametrize("brief", [True, False])
def test_every_kind_of_step_occurs(*, brief: bool) -> None:
    steps, _ = recorded(Trial(96, CONTEXT, CPU, brief=brief))

    kinds = [(step.decode_rows, len(step.spans), step.spans[-1][0] > 0) for step in steps]
    assert kinds[:3] == [(0, 1, False), (0, 2, False), (1, 2, True)], (
        "a prompt; a chunk and a prompt; decode and a chunk"
    )
    assert set(kinds[3:]) == {(2, 2, True)}, "decode steps of both sequences"
    assert len(kinds) >= 6


def test_decode_rows_come_first_and_are_single_tokens() -> None:
    steps, _ = recorded(Trial(96, CONTEXT, CPU, brief=False))

    for step in steps:
        single = [end - start == 1 and start > 0 for start, end in step.spans]
        assert single == [True] * step.decode_rows + [False] * (len(single) - step.decode_rows)


def test_phases_name_how_a_token_was_computed() -> None:
    phases = Trial(96, CONTEXT, CPU, brief=True).phases

    assert {phase: phases.count(phase) for phase in phases} == {"prompt": 9, "second chunk": 6, "decode": 7}
