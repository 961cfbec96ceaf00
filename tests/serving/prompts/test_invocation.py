"""Activated LoRA: the base reads what comes before the invocation, and the pages of that are the base's."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from peft.tuners.lora.variants import calculate_alora_offsets

from serving.engine.batch import Batch, Row
from serving.engine.sequence import Sequence
from serving.errors import InvalidRequest
from serving.kv.pages import PAGE_TOKENS
from serving.prompts.invocation import active_from
from tests.serving.driver import StepDriver
from tests.serving.tiny import INVOCATION, VOCAB, save_adapter, save_base

PREFIX = [9 + 7 * i % (VOCAB - 9) for i in range(3 * PAGE_TOKENS + 5)]
TAIL = [20 + i for i in range(2 * PAGE_TOKENS)]
PROMPT = [*PREFIX, *INVOCATION, *TAIL]
SHARED = 3 * PAGE_TOKENS
WHOLE = (len(PROMPT) - 1) // PAGE_TOKENS * PAGE_TOKENS


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_it_acts_from_where_peft_lets_it_act(prompt: list[int], invocation: list[int]) -> None:
    config = {"a": LoraConfig(task_type="CAUSAL_LM", alora_invocation_tokens=invocation)}
    (from_end,) = calculate_alora_offsets(config, "a", torch.tensor([prompt]))

    if from_end is None:
        with pytest.raises(InvalidRequest, match="alora_invocation_tokens"):
            active_from(invocation, prompt, "a")
    else:
        assert active_from(invocation, prompt, "a") == len(prompt) - from_end


def test_an_adapter_without_an_invocation_acts_on_everything() -> None:
    assert active_from((), [1, 2, 3], "a") == 0


class Lab:
    """A base, two activated adapters and a plain one; engines of them, each with a cache of its own."""

    def __init__(self, work: Path) -> None:
        self._work, self._base = work, save_base(work / "base")
        variants = {"one": "activated", "two": "activated", "plain": "plain"}
        self._folders = {
            name: save_adapter(work / name, self._base, variant, seed=i)
            for i, (name, variant) in enumerate(variants.items())
        }

    def driver(self) -> StepDriver:
        made = StepDriver(self._base, self._work)
        for name, folder in self._folders.items():
            made.add(name, folder)
        return made

    def isolated(self, model: str | None, prompt: list[int]) -> list[int]:
        """What an engine says that has never seen another request."""
        alone = self.driver()
        return alone.run([alone.sequence("alone", model, prompt, 12)])["alone"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("activated"))


def ask(driver: StepDriver, name: str, model: str | None, prompt: list[int]) -> tuple[list[int], int]:
    """The output, and how much of the prompt was found in the cache."""
    sequence = driver.sequence(name, model, prompt, 12)
    output = driver.run([sequence])[name]
    return output, sequence.cached_len


ORDERS = [
    [(None, 0), ("one", SHARED), ("two", SHARED), ("one", WHOLE), (None, WHOLE)],
    [("one", 0), (None, SHARED), ("one", WHOLE), ("two", SHARED), ("plain", 0)],
]


@pytest.mark.parametrize("asked", ORDERS)
def test_whole_pages_before_the_invocation_are_shared_with_the_base_and_no_others(
    lab: Lab, asked: list[tuple[str | None, int]]
) -> None:
    driver = lab.driver()

    found = [ask(driver, f"{i}", model, PROMPT) for i, (model, _) in enumerate(asked)]

    assert [cached for _, cached in found] == [cached for _, cached in asked]
    assert [output for output, _ in found] == [lab.isolated(model, PROMPT) for model, _ in asked]
    assert len({tuple(output) for output, _ in found}) == len({model for model, _ in asked})


def test_a_later_invocation_shares_nothing_with_pages_that_were_activated_earlier(lab: Lab) -> None:
    """For one prompt the first invocation acts on page 1; for the other, which invokes again, nothing acts there."""
    early = [*PREFIX[:20], *INVOCATION, *PREFIX[20:]]
    late = [*early, *INVOCATION, *TAIL]
    driver = lab.driver()
    ask(driver, "early", "one", early)

    output, cached = ask(driver, "late", "one", late)

    assert cached == PAGE_TOKENS
    assert output == lab.isolated("one", late)


def test_an_invocation_across_the_end_of_a_page_is_no_other_prompt_s_beginning(lab: Lab) -> None:
    """Both fill page 1 with the same tokens; one adapter acts on it from its start, the other from its end."""
    first = [*PREFIX[:PAGE_TOKENS], *INVOCATION, *PREFIX[:12], INVOCATION[0]]
    inside, across = [*first, 50, 51, 52], [*first, *INVOCATION[1:], 50, 51, 52]
    driver = lab.driver()
    ask(driver, "inside", "one", inside)

    output, cached = ask(driver, "across", "one", across)

    assert len(first) == 2 * PAGE_TOKENS
    assert cached == PAGE_TOKENS
    assert output == lab.isolated("one", across)


def test_mixed_with_others_in_one_batch_it_says_what_it_says_alone(lab: Lab) -> None:
    driver = lab.driver()
    prompts = [PROMPT, [*INVOCATION, 30, 31], [*PREFIX, *INVOCATION], [40, *INVOCATION, *PREFIX, *INVOCATION, 41]]
    asked = [(model, prompt) for prompt in prompts for model in ("one", None, "two", "plain")]

    said = driver.run([driver.sequence(f"{i}", model, prompt, 12) for i, (model, prompt) in enumerate(asked)])

    assert [said[f"{i}"] for i in range(len(asked))] == [lab.isolated(model, prompt) for model, prompt in asked]


@pytest.mark.parametrize(
    ("start", "end", "covered"), [(0, 20, None), (0, 60, (53, 60)), (53, 60, (0, 7)), (60, 61, (0, 1))]
)
def test_a_row_belongs_to_its_adapter_only_from_the_invocation_on(
    lab: Lab, start: int, end: int, covered: tuple[int, int] | None
) -> None:
    driver = lab.driver()
    sequence: Sequence = driver.sequence("row", "one", PROMPT, 1)
    driver.run([sequence])
    slot = driver.scheduler.slots.get(driver.digests["one"])

    batch = Batch.of([Row(sequence, start, end, slot)])

    assert sequence.active_from == len(PREFIX) == 53
    segments = batch.lora.segments if batch.lora else ()
    assert [(each.start, each.end) for each in segments] == ([covered] if covered else [])
