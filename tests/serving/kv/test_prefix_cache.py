"""Prompts that begin alike: what is reused is what would have been computed, and only where it may be."""

import random
from pathlib import Path

import pytest
import torch

from serving.engine.pace import PREFILL_TOKENS
from serving.engine.sequence import Sequence, Stage
from serving.kv.pages import PAGE_TOKENS
from serving.types import Outcome
from tests.serving.driver import StepDriver
from tests.serving.tiny import VOCAB, save_adapter, save_base

MODELS = (None, "a0", "a1", "a2", "a3")
VARIANTS = ("plain", "rslora", "patterns", "wide")
PROMPT = [5 + 7 * i % (VOCAB - 5) for i in range(70)]
REUSED = (len(PROMPT) - 1) // PAGE_TOKENS * PAGE_TOKENS


class Lab:
    """A base and four adapters; engines of them, each with a cache of its own."""

    def __init__(self, work: Path, family: str) -> None:
        self._work = work
        self._base = save_base(work / "base", family)
        self._folders = {f"a{i}": save_adapter(work / f"a{i}", self._base, v, seed=i) for i, v in enumerate(VARIANTS)}
        self._isolated: dict[tuple[object, ...], list[int]] = {}

    def driver(self, kv_pages: int = 512) -> StepDriver:
        made = StepDriver(self._base, self._work, kv_pages=kv_pages)
        for name, folder in self._folders.items():
            made.add(name, folder)
        return made

    def isolated(self, model: str | None, prompt: list[int], new_tokens: int) -> list[int]:
        """What an engine says that has never seen another request."""
        asked = (model, tuple(prompt), new_tokens)
        if asked not in self._isolated:
            alone = self.driver()
            self._isolated[asked] = alone.run([alone.sequence("alone", model, prompt, new_tokens)])["alone"]
        return self._isolated[asked]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("llama"), "llama")


def outputs(sequence: Sequence) -> list[int]:
    return sequence.token_ids[sequence.prompt_len :]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
def test_one_prompt_under_base_and_four_adapters_interleaved_equals_isolated_runs(tmp_path: Path, family: str) -> None:
    lab = Lab(tmp_path, family)
    driver, rounds = lab.driver(), []

    for number in range(3):
        asked = [driver.sequence(f"{number}-{model}", model, PROMPT, 12) for model in MODELS]
        for sequence in asked:
            driver.scheduler.submit(sequence)
            driver.step()  # the first ones decode while the last ones are read
        rounds.append(asked)
        driver.step()
    while driver.scheduler.sequences:
        driver.step()

    for asked in rounds:
        for model, sequence in zip(MODELS, asked, strict=True):
            assert outputs(sequence) == lab.isolated(model, PROMPT, 12)
    assert len({tuple(outputs(sequence)) for sequence in rounds[0]}) == len(MODELS)
    assert [[sequence.cached_len for sequence in asked] for asked in rounds] == [[0] * 5, [REUSED] * 5, [REUSED] * 5]


def test_only_the_common_pages_are_reused_and_the_last_prompt_token_never(lab: Lab) -> None:
    driver = lab.driver()
    driver.run([driver.sequence("first", "a0", PROMPT, 2)])
    forked = [*PROMPT[: 2 * PAGE_TOKENS + 5], 9, *PROMPT[2 * PAGE_TOKENS + 6 :]]
    prompts = {"fork": forked, "whole pages": PROMPT[: 3 * PAGE_TOKENS], "one more": PROMPT[: 3 * PAGE_TOKENS + 1]}
    asked = [driver.sequence(name, "a0", prompt, 6) for name, prompt in prompts.items()]

    said = driver.run(asked)

    assert [sequence.cached_len // PAGE_TOKENS for sequence in asked] == [2, 2, 3]
    assert [said[name] for name in prompts] == [lab.isolated("a0", prompt, 6) for prompt in prompts.values()]
    assert all(s.usage.prompt_tokens + s.usage.cached_tokens == s.prompt_len for s in asked)


def test_the_next_turn_of_a_conversation_reuses_the_answer_too(lab: Lab) -> None:
    driver = lab.driver()
    answer = driver.run([driver.sequence("turn 1", "a1", PROMPT, 30)])["turn 1"]
    prompt = [*PROMPT, *answer, 8, 9, 10]
    turn = driver.sequence("turn 2", "a1", prompt, 6)

    assert driver.run([turn])["turn 2"] == lab.isolated("a1", prompt, 6)
    assert turn.cached_len == (len(PROMPT) + len(answer) - 1) // PAGE_TOKENS * PAGE_TOKENS > REUSED


def test_a_tenant_s_prompts_are_reused_for_that_tenant_only(lab: Lab) -> None:
    driver = lab.driver()
    driver.run([driver.sequence("mine", None, PROMPT, 2, tenant="me")])
    asked = [driver.sequence(tenant, None, PROMPT, 2, tenant=tenant) for tenant in ("you", "me")]

    driver.run(asked)

    assert [sequence.cached_len for sequence in asked] == [0, REUSED]


def test_a_parked_sequence_shares_its_prompt_and_goes_on_unchanged(lab: Lab) -> None:
    driver = lab.driver()
    parked = driver.sequence("parked", "a2", PROMPT, 12, granted=1)
    driver.scheduler.submit(parked)
    while parked.stage is not Stage.PARKED:
        driver.step()
    other = driver.sequence("other", "a2", PROMPT, 12)

    driver.run([other])
    driver.scheduler.extend("parked", 12)
    while driver.scheduler.sequences:
        driver.step()

    assert other.cached_len == REUSED
    assert outputs(parked) == outputs(other) == lab.isolated("a2", PROMPT, 12)


@pytest.mark.parametrize(("steps", "reused"), [(1, 0), (2, REUSED)])
def test_an_aborted_sequence_leaves_its_prompt_once_it_has_said_something(lab: Lab, steps: int, reused: int) -> None:
    """In the first step others take most of the budget, so that it has read only a part of its prompt."""
    driver = lab.driver()
    long = [5 + i for i in range((PREFILL_TOKENS - 40) // 2)]
    aborted, again = (driver.sequence(name, None, PROMPT, 5) for name in ("aborted", "again"))
    for sequence in (driver.sequence("1", None, long, 1), driver.sequence("2", None, long, 1), aborted):
        driver.scheduler.submit(sequence)
    for _ in range(steps):
        driver.step()

    driver.scheduler.end(aborted)
    driver.run([again])

    assert aborted.computed_len == (40 if steps == 1 else len(PROMPT))
    assert again.cached_len == reused
    assert outputs(again) == lab.isolated(None, PROMPT, 5)


def test_a_sequence_whose_numbers_are_not_finite_leaves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = lab.driver()
    for good_steps in (0, 3):
        forward, calls = driver.base.backbone.forward, iter(range(99))

        def broken(batch, forward=forward, calls=calls, limit=good_steps):  # type: ignore[no-untyped-def]
            logits = forward(batch)
            return logits if next(calls) < limit else torch.full_like(logits, torch.nan)

        with monkeypatch.context() as patch:
            patch.setattr(driver.base.backbone, "forward", broken)
            driver.scheduler.submit(driver.sequence("bad", None, PROMPT, 8))
            events = [event for _ in range(good_steps + 1) for event in driver.step()]

        assert events[-1].end is not None
        assert events[-1].end.outcome is Outcome.FAILED
        assert (driver.scheduler.pages.held, driver.scheduler.pages.kept) == (0, 0)


def test_a_page_that_went_bad_fails_one_request_and_is_computed_again_for_the_next(lab: Lab) -> None:
    driver = lab.driver()
    driver.run([driver.sequence("good", None, PROMPT, 8)])
    keys = driver.sequence("find", None, PROMPT, 8).reusable_keys
    page = driver.scheduler.pages.find(keys)[1]
    cache = driver.base.backbone.cache
    not_numbers = torch.full((1, cache.shapes[0].elements_per_token), torch.nan)
    cache.write(0, torch.tensor([page * PAGE_TOKENS]), not_numbers)

    driver.scheduler.submit(driver.sequence("hit", None, PROMPT, 8))
    (event,) = driver.step()
    healed = driver.sequence("healed", None, PROMPT, 8)

    assert event.end is not None
    assert event.end.outcome is Outcome.FAILED
    assert driver.run([healed])["healed"] == lab.isolated(None, PROMPT, 8)
    assert healed.cached_len == 0


def test_an_evicted_adapter_s_prefix_is_right_when_it_is_loaded_again(lab: Lab) -> None:
    driver = lab.driver()
    driver.run([driver.sequence("before", "a3", PROMPT, 8)])
    driver.engine.evict(driver.digests["a3"])
    after = driver.sequence("after", "a3", PROMPT, 8)

    assert driver.run([after])["after"] == lab.isolated("a3", PROMPT, 8)
    assert after.cached_len == REUSED


@pytest.mark.parametrize("seed", range(3))
def test_under_memory_pressure_every_answer_is_the_isolated_one(lab: Lab, seed: int) -> None:
    rng = random.Random(seed)
    driver = lab.driver(kv_pages=26)
    prompts = [PROMPT, PROMPT[:50], [*PROMPT[:40], *range(60, 75)], list(range(100, 133))]
    asked = [(rng.choice(MODELS), rng.choice(prompts)) for _ in range(30)]
    sequences = [driver.sequence(f"{i}", model, prompt, 10) for i, (model, prompt) in enumerate(asked)]

    for sequence in sequences:
        driver.scheduler.submit(sequence)
        for _ in range(rng.randrange(4)):
            driver.step()
        if driver.scheduler.sequences and rng.random() < 0.2:
            driver.scheduler.end(rng.choice(driver.scheduler.sequences))
    while driver.scheduler.sequences:
        driver.step()

    finished = [i for i, sequence in enumerate(sequences) if sequence.output_len == 10]
    assert len(finished) > 15
    assert all(outputs(sequences[i]) == lab.isolated(*asked[i], 10) for i in finished)
    assert any(sequences[i].cached_len for i in finished)
    assert driver.scheduler.pages.held == 0
