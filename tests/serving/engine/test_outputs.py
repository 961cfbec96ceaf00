"""What a sampled token does: the sequence grows, parks or ends, and exactly one event says so."""

from dataclasses import replace

import pytest

from serving.engine.batch import Batch
from serving.engine.outputs import Outputs
from serving.engine.sampler import Sampled, Sampler
from serving.engine.sequence import Sequence, Stage
from serving.engine.statistics import Counters
from serving.types import Outcome, SamplingParams, TokenEvent
from tests.serving.engine.test_scheduler import World

EOS = 1
PLAIN = SamplingParams()


class Bench:
    """A running sequence with a prompt of 4 tokens, whose tokens the test chooses."""

    def __init__(self, output: int = 8, granted: int = 8, sampling: SamplingParams = PLAIN) -> None:
        self.world, self.counters = World(), Counters()
        self.sequence: Sequence = self.world.submit(output=output)
        self.sequence.granted_tokens = min(granted, output)
        request = self.sequence.request
        self.sequence.request = replace(request, prepared=replace(request.prepared, sampling=sampling))
        self.outputs = Outputs(self.world.scheduler, Sampler(frozenset({EOS})), self.counters)

    def step(self, token: int | None) -> TokenEvent:
        batch = self.world.scheduler.next_batch(0.0)
        assert isinstance(batch, Batch)
        (event,) = self.outputs.advance(batch, [Sampled(token, None)], 0.1)
        self.world.scheduler.check_integrity()
        return event


def test_a_token_before_the_last_carries_its_text_and_no_end() -> None:
    bench = Bench()

    event = bench.step(40)

    assert (event.token_ids, event.end, event.parked) == ((40,), None, False)
    assert (bench.counters.steps, bench.counters.prompt_tokens, bench.counters.output_tokens) == (1, 4, 1)


def test_the_last_token_ends_the_sequence_as_length() -> None:
    bench = Bench(output=2)

    assert bench.step(40).end is None
    end = bench.step(41).end

    assert end is not None
    assert (end.outcome, end.finish_reason, end.usage.output_tokens) == (Outcome.FINISHED, "length", 2)
    assert bench.sequence.stage is Stage.ENDED


@pytest.mark.parametrize("stop", [EOS, 44])
def test_a_stop_token_ends_the_output_and_shows_no_text(stop: int) -> None:
    bench = Bench(sampling=SamplingParams(stop_token_ids=(44,)))

    event = bench.step(stop)

    assert event.end is not None
    assert (event.end.finish_reason, event.text, event.token_ids) == ("stop", "", (stop,))


def test_the_last_granted_token_parks_the_sequence() -> None:
    bench = Bench(granted=1)

    assert bench.step(40).parked
    assert bench.sequence.stage is Stage.PARKED


def test_no_token_fails_the_sequence_and_takes_its_pages_from_the_cache() -> None:
    bench = Bench()

    end = bench.step(None).end

    assert end is not None
    assert (end.outcome, end.finish_reason) == (Outcome.FAILED, "error")
    assert end.error is not None
    assert "not finite" in end.error
    assert bench.world.scheduler.pages.find(bench.sequence.reusable_keys) == []


def test_ending_early_names_the_choice_and_drops_text_that_was_held_back() -> None:
    bench = Bench()
    bench.sequence.choice = 0
    bench.step(40)

    event = bench.outputs.end(bench.sequence, Outcome.ABORTED)

    assert event.end is not None
    assert (event.text, event.choice, event.end.finish_reason, event.end.error) == ("", 0, "abort", None)
    assert bench.world.scheduler.sequences == []
