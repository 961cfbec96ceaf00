"""Sequences that lose their pages: nobody outside can tell, and something always goes on."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.sequence import Sequence, Stage
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.types import SamplingParams, Usage
from tests.serving.driver import GREEDY, StepDriver
from tests.serving.engine.test_scheduler import World
from tests.serving.tiny import VOCAB, save_adapter, save_base

SEEDED = SamplingParams(temperature=1.0, top_p=0.9, seed=7, ignore_eos=True)


@dataclass(frozen=True)
class Job:
    model: str | None
    prompt: list[int]
    new_tokens: int
    sampling: SamplingParams
    at_step: int
    grants: list[int] = field(default_factory=list)
    """Totals of granted tokens, the first at once, the next a few steps after it was parked."""


class Lab:
    def __init__(self, work: Path) -> None:
        self.work = work
        self.base = save_base(work / "base")
        self.folders = {name: save_adapter(work / name, self.base, v) for name, v in (("a", "plain"), ("b", "wide"))}

    def driver(self, kv_pages: int) -> StepDriver:
        made = StepDriver(self.base, self.work, kv_pages=kv_pages)
        for name, folder in self.folders.items():
            made.add(name, folder)
        return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("preemption"))


def asks(rng: random.Random, count: int) -> list[Job]:
    """Prompts that share nothing, so that usage does not depend on who was there before."""
    made = []
    for number in range(count):
        prompt = [5 + number, *(rng.randrange(5, VOCAB) for _ in range(rng.randint(1, 60)))]
        new_tokens = rng.randint(1, 40)
        grants = sorted(rng.sample(range(1, new_tokens + 1), min(new_tokens, rng.randint(1, 3))))
        sampling = rng.choice([GREEDY, replace(SEEDED, seed=number)])
        made.append(Job(rng.choice([None, "a", "b"]), prompt, new_tokens, sampling, rng.randrange(40), grants))
    return made


@dataclass
class Told:
    """What the outside sees of one request."""

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    usage: Usage | None = None


def run(driver: StepDriver, asked: list[Job]) -> list[Told]:
    sequences: list[Sequence] = []
    for number, ask in enumerate(asked):
        grants = [*ask.grants, ask.new_tokens]
        sequence = driver.sequence(
            f"{number}", ask.model, ask.prompt, ask.new_tokens, sampling=ask.sampling, granted=grants[0]
        )
        sequences.append(sequence)
    told, waits = [Told() for _ in asked], dict.fromkeys(range(len(asked)), 0)
    step = 0
    while any(each.usage is None for each in told):
        for number, ask in enumerate(asked):
            if ask.at_step == step:
                driver.scheduler.submit(sequences[number])
            if sequences[number].stage is Stage.PARKED:
                waits[number] += 1
                if waits[number] % 5 == 0:
                    more = [each for each in (*ask.grants, ask.new_tokens) if each > sequences[number].granted_tokens]
                    driver.scheduler.extend(f"{number}", more[0])
        for event in driver.step():
            mine = told[int(event.request_id)]
            assert mine.usage is None, "something came after the End"
            mine.tokens += event.token_ids
            mine.text += event.text
            mine.usage = event.end.usage if event.end else None
        step += 1
        assert step < 5_000, "nothing ends any more"
    return told


@pytest.mark.parametrize("seed", range(4))
def test_page_pressure_changes_no_token_no_text_and_no_usage(lab: Lab, seed: int) -> None:
    rng = random.Random(seed)
    asked = asks(rng, 14)
    largest = max(pages_for(len(ask.prompt) + ask.new_tokens - 1) for ask in asked)
    ample, tight = lab.driver(512), lab.driver(largest + rng.randint(0, 5))

    expected, found = run(ample, asked), run(tight, asked)

    assert found == expected
    assert [each.usage for each in found] == [Usage(len(ask.prompt), 0, ask.new_tokens) for ask in asked]
    assert (ample.scheduler.preemptions, tight.scheduler.pages.held) == (0, 0)
    assert tight.scheduler.preemptions > 0
    assert tight.engine.counters.prompt_tokens == sum(len(ask.prompt) for ask in asked)
    assert tight.engine.counters.recomputed_tokens > 0


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_with_hardly_any_pages_the_oldest_goes_on_in_every_step_and_all_end(seed: int) -> None:
    rng = random.Random(seed)
    world = World(pages=rng.randint(6, 14), adapters_fit=3)
    for _ in range(rng.randint(3, 25)):
        world.submit(rng.choice([None, "a", "b"]), rng.randint(1, 60), rng.randint(1, 36), rng.choice("xyz"))

    for _ in range(4_000):
        running = [each for each in world.scheduler.running if each.seniority is not None]
        ran = world.step()
        if running:
            assert min(running, key=lambda each: each.seniority or 0) in ran
        if not world.scheduler.sequences:
            return
    raise AssertionError("nothing ends any more")


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_usage_counts_a_prompt_token_once_however_often_it_is_computed(seed: int) -> None:
    rng = random.Random(seed)
    world = World(pages=rng.randint(8, 16))
    sequences = []
    for number in range(rng.randint(2, 14)):
        sequences.append(world.submit(None, rng.randint(1, 70), rng.randint(1, 30), token=number))
        for _ in range(rng.randint(0, 6)):
            world.step()
        if rng.random() < 0.2 and world.scheduler.running:
            world.scheduler.preempt(rng.choice(world.scheduler.running))
            world.scheduler.check_integrity()
    while world.scheduler.sequences:
        world.step()

    for sequence in sequences:
        assert sequence.usage == Usage(sequence.prompt_len, 0, sequence.max_new_tokens)


def test_more_sequences_run_than_would_fit_at_their_longest() -> None:
    world = World(pages=64)
    several = [world.submit(prompt=PAGE_TOKENS, output=16 * PAGE_TOKENS, tenant=f"{i}") for i in range(12)]
    for _ in range(3):
        world.step()

    assert all(each.stage is Stage.RUNNING for each in several)
    assert sum(pages_for(each.longest_len) for each in several) > 2 * 64


def test_a_flow_loses_its_own_latecomers_before_another_loses_its_only_sequence() -> None:
    world = World(pages=24)
    flood = [world.submit(prompt=4 * PAGE_TOKENS, output=6 * PAGE_TOKENS, tenant="flood") for _ in range(4)]
    world.step()
    single = world.submit(prompt=PAGE_TOKENS, output=8 * PAGE_TOKENS, tenant="single")
    stages = set()
    while single.stage is not Stage.ENDED:
        world.step()
        stages.add(single.stage)

    assert stages == {Stage.RUNNING, Stage.ENDED}
    assert world.scheduler.preemptions > 0
    assert any(each.stage is not Stage.ENDED for each in flood)


def test_parked_sequences_lose_their_pages_first_and_go_on_as_if_nothing_had_happened() -> None:
    world = World(pages=10)
    parked = world.submit("a", prompt=6 * PAGE_TOKENS, output=8, tenant="parked")
    world.step()
    world.scheduler.park(parked)
    parked.granted_tokens = 1
    other = world.submit(prompt=7 * PAGE_TOKENS, output=4, tenant="other")

    world.step()

    assert other.stage is Stage.RUNNING
    assert (parked.page_table, world.slots.references(parked.adapter or other.adapter)) == ([], 1)  # type: ignore[arg-type]
    world.scheduler.extend(parked.request_id, 8)
    while world.scheduler.sequences:
        world.step()
    assert (parked.output_len, parked.usage) == (8, Usage(6 * PAGE_TOKENS, 0, 8))


def test_what_was_full_when_it_was_taken_is_found_again_if_nobody_has_needed_it() -> None:
    world = World(pages=32)
    sequence = world.submit(prompt=4 * PAGE_TOKENS, output=20)
    for _ in range(3):
        world.step()
    world.scheduler.preempt(sequence)
    (again,) = world.step()

    assert again is sequence
    assert sequence.total_len - 1 == sequence.computed_len
    assert sequence.finite_len == sequence.computed_len
    assert world.scheduler.pages.kept == 0


@pytest.mark.parametrize("leaves", ["end", "fail"])
def test_a_sequence_that_leaves_while_it_computes_again_publishes_nothing_unproven(leaves: str) -> None:
    world = World(pages=200)
    sequence = world.submit(prompt=60 * PAGE_TOKENS, output=20)
    for _ in range(4):
        world.step()
    world.scheduler.preempt(sequence)
    blocker = world.submit(prompt=150 * PAGE_TOKENS, output=2, tenant="other", token=9)  # empties what was kept
    world.scheduler.next_batch(world.now)
    found = sequence.finite_len

    getattr(world.scheduler, leaves)(sequence)

    assert len(world.scheduler.pages.find(sequence.reusable_keys)) * PAGE_TOKENS <= found
    world.scheduler.end(blocker)
    world.scheduler.check_integrity()
