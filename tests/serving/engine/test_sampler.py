"""What the sampler takes from a sequence: its seed and position, its stop tokens, its wish for logprobs."""

from dataclasses import replace

import torch

from serving.engine.sampler import Sampler
from serving.engine.sequence import Sequence
from serving.types import SamplingParams
from tests.serving.engine.test_scheduler import World

EOS = 1
GREEDY = SamplingParams(temperature=0.0)


def sequence(sampling: SamplingParams, output: int = 0) -> Sequence:
    made = World().submit(output=40)
    made.request = replace(made.request, prepared=replace(made.request.prepared, sampling=sampling))
    made.token_ids += [5] * output
    return made


def logits(*largest: int) -> torch.Tensor:
    rows = torch.zeros(len(largest), 16)
    for row, token in enumerate(largest):
        rows[row, token] = 9.0
    return rows


def test_stop_tokens_are_withheld_until_the_output_has_min_tokens() -> None:
    sampler = Sampler(frozenset({EOS}))
    waiting = replace(GREEDY, min_tokens=3, stop_token_ids=(7,))

    early = sampler.sample(logits(EOS, 7), [sequence(waiting, 2)] * 2)
    late = sampler.sample(logits(EOS, 7), [sequence(waiting, 3)] * 2)

    assert {each.token for each in early}.isdisjoint({EOS, 7})
    assert [each.token for each in late] == [EOS, 7]


def test_ignoring_the_end_token_leaves_the_request_s_own_stop_tokens() -> None:
    sampler = Sampler(frozenset({EOS}))

    assert sampler.stop_ids(sequence(replace(GREEDY, stop_token_ids=(7,)))) == {EOS, 7}
    assert sampler.stop_ids(sequence(replace(GREEDY, stop_token_ids=(7,), ignore_eos=True))) == {7}


def test_only_rows_that_ask_get_logprobs() -> None:
    sampler = Sampler(frozenset())

    plain, asking = sampler.sample(logits(3, 4), [sequence(GREEDY), sequence(replace(GREEDY, logprobs=2))])

    assert (plain.token, plain.logprobs) == (3, None)
    assert asking.logprobs is not None
    assert (asking.logprobs.token_id, len(asking.logprobs.top)) == (4, 2)


def test_a_row_that_is_not_finite_has_no_token_and_no_logprobs() -> None:
    rows = logits(3, 4)
    rows[0, 0] = float("nan")

    broken, whole = Sampler(frozenset()).sample(rows, [sequence(replace(GREEDY, logprobs=1)), sequence(GREEDY)])

    assert (broken.token, broken.logprobs, whole.token) == (None, None, 4)


def test_the_draw_depends_on_the_seed_and_the_position_alone() -> None:
    sampler, random = Sampler(frozenset()), SamplingParams(temperature=1.0)
    flat = torch.zeros(1, 16)

    def drawn(output: int) -> int | None:
        return sampler.sample(flat, [sequence(random, output)])[0].token

    assert drawn(3) == drawn(3)
    assert len({drawn(position) for position in range(12)}) > 1
