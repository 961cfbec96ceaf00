"""Who runs when: conservation, fairness between adapters that compete for memory, no starvation."""

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.load_queue import PATIENCE_S
from serving.engine.pace import PREFILL_TOKENS
from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Sequence, Stage
from serving.errors import InvalidRequest
from serving.kv.pages import PAGE_TOKENS, PagePool, pages_for
from serving.kv.prefix import PageKeys
from serving.lora.slot import LoraModule, Slot
from serving.prompts.detokenize import OutputText, StopStrings
from serving.tiers.slots import Slots
from serving.types import AdapterDigest, BaseDigest, GenerationRequest, Prepared, ResolvedModel
from tests.serving.prompts.test_detokenize import VOCABULARY

ADAPTER_BYTES = 2 * 4 * 4 * 4


class World:
    """A scheduler, a model that takes no time, and loads that end when the test says so."""

    def __init__(self, pages: int = 64, adapters_fit: int = 2) -> None:
        self.slots = Slots(adapters_fit * ADAPTER_BYTES)
        self.scheduler = Scheduler(PagePool(pages), self.slots)
        self.loading: list[AdapterDigest] = []
        self.now = 0.0
        self.count = 0
        self.nbytes: dict[AdapterDigest, int] = {}

    def sequence(
        self,
        adapter: str | None = None,
        prompt: int = 4,
        output: int = 4,
        tenant: str = "t",
        nbytes: int = ADAPTER_BYTES,
        token: int = 5,
    ) -> Sequence:
        """A sequence that is not submitted yet."""
        self.count += 1
        digest = AdapterDigest(adapter) if adapter else None
        if digest:
            self.nbytes[digest] = nbytes
        model = ResolvedModel("m", digest, nbytes if digest else 0)
        request = GenerationRequest(f"r{self.count}", Prepared(model, (token,) * prompt, output), tenant, output)
        text = OutputText(VOCABULARY.incremental_text(), StopStrings(()))
        keys = PageKeys(BaseDigest("base"), digest, tenant)
        return Sequence(request, 0, text, self.now, page_keys=keys)

    def submit(self, *args: Any, **more: Any) -> Sequence:
        """The same, submitted to the scheduler."""
        made = self.sequence(*args, **more)
        self.scheduler.submit(made)
        return made

    def step(self, *, finish_loads: bool = True, prefill_tokens: int = PREFILL_TOKENS) -> list[Sequence]:
        """One engine turn; returns the sequences that computed something."""
        self.now += 0.1
        self.loading += self.scheduler.loads_to_start(self.now)
        while finish_loads and self.loading:
            digest = self.loading.pop()
            pair = LoraModule(torch.zeros(4, 4), torch.zeros(4, 4))
            self.scheduler.adapter_ready(Slot(digest, {"m": pair}, self.nbytes[digest]), 0.01)
        batch = self.scheduler.next_batch(self.now, prefill_tokens)
        for row in batch.rows if batch else ():
            assert row.slot is None or self.slots.is_resident(row.slot.digest)
            assert len(row.sequence.page_table) >= pages_for(row.end)
            row.sequence.advance(row.end)
            if row.samples:
                row.sequence.append(5)
                if row.sequence.output_len == 1:
                    self.scheduler.publish(row.sequence)
                if row.sequence.output_len == row.sequence.max_new_tokens:
                    self.scheduler.end(row.sequence)
        self.scheduler.check_integrity()
        return [row.sequence for row in batch.rows] if batch else []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_memory_is_conserved_and_everything_ends_whatever_happens(seed: int) -> None:
    rng = random.Random(seed)
    world = World(pages=rng.randint(8, 40), adapters_fit=rng.randint(1, 3))
    for _ in range(60):
        if rng.random() < 0.5:
            adapter = rng.choice([None, "a", "b", "c", "d"])
            prompt, output, token = rng.randint(1, 60), rng.randint(1, 20), rng.choice([5, 5, 6])
            world.submit(adapter, prompt, output, rng.choice("xyz"), token=token)
        if rng.random() < 0.1 and world.scheduler.sequences:
            leaving = rng.choice(world.scheduler.sequences)
            failed = leaving.stage in {Stage.RUNNING, Stage.PARKED} and rng.random() < 0.5
            (world.scheduler.fail if failed else world.scheduler.end)(leaving)
            world.scheduler.check_integrity()
        world.step(finish_loads=rng.random() < 0.7)

    for _ in range(3000):
        if not world.scheduler.sequences:
            break
        world.step()

    assert not world.scheduler.sequences
    assert world.scheduler.pages.held == 0


def test_a_request_is_ready_only_when_its_adapter_is_resident_and_never_waits_for_others_loads() -> None:
    world = World()
    cold, base = world.submit("cold"), world.submit()

    ran = world.step(finish_loads=False)

    assert ran == [base]
    assert cold.stage is Stage.LOADING
    assert cold in world.step()


def test_a_hot_adapter_cannot_keep_a_cold_one_out_of_memory() -> None:
    world = World(adapters_fit=1)
    world.submit("hot", output=6)
    world.step()
    cold = world.submit("cold")

    for _ in range(int(3 * PATIENCE_S / 0.1)):
        world.submit("hot", output=6)
        world.step()
        if cold.stage is Stage.ENDED:
            break

    assert cold.stage is Stage.ENDED


def test_an_adapter_is_loaded_once_however_many_wait() -> None:
    world = World()
    for _ in range(5):
        world.submit("a")
        world.step(finish_loads=False)

    assert world.loading == ["a"]


def test_a_failed_load_ends_those_who_waited_and_gives_the_bytes_back() -> None:
    world = World()
    waiting = [world.submit("a"), world.submit("a")]
    world.step(finish_loads=False)

    assert world.scheduler.adapter_failed(AdapterDigest("a")) == waiting
    assert world.slots.used_bytes == 0
    world.scheduler.check_integrity()


def test_nobody_overtakes_a_large_request_that_waits_for_pages() -> None:
    world = World(pages=8)
    world.submit(prompt=4 * PAGE_TOKENS, output=20)
    world.step()
    large = world.submit(prompt=6 * PAGE_TOKENS, output=2, tenant="other")
    for _ in range(50):
        world.submit(prompt=2, output=2)
        world.step()

    assert large.stage is Stage.ENDED


def test_a_long_prompt_does_not_stop_those_who_decode() -> None:
    world = World(pages=400)
    talking = world.submit(output=100)
    world.step()
    world.submit(prompt=4 * PREFILL_TOKENS, output=2)

    for _ in range(4):
        before = talking.output_len
        world.step()
        assert talking.output_len == before + 1


def test_of_idle_adapters_the_least_worthy_per_byte_leaves() -> None:
    world = World(adapters_fit=2)
    for adapter in ("often", "often", "often", "once"):
        world.submit(adapter)
        for _ in range(6):
            world.step()

    world.submit("new")
    world.step()

    assert world.slots.resident == {"often", "new"}


def test_pinned_adapters_stay_and_what_cannot_fit_beside_them_is_refused() -> None:
    world = World(adapters_fit=2)
    world.nbytes[AdapterDigest("p")] = ADAPTER_BYTES
    world.scheduler.loading.pin(AdapterDigest("p"), ADAPTER_BYTES)
    world.step()
    for adapter in ("a", "b", "c"):
        world.submit(adapter)
        for _ in range(6):
            world.step()
    assert "p" in world.slots.resident

    world.scheduler.loading.pin(AdapterDigest("c"), ADAPTER_BYTES)
    with pytest.raises(InvalidRequest):
        world.submit("a")


def test_what_a_later_pin_keeps_out_waits_without_holding_up_other_loads() -> None:
    world = World(adapters_fit=2)
    world.submit("a", output=30)
    world.step()
    large = world.submit("large", nbytes=2 * ADAPTER_BYTES)
    world.scheduler.loading.pin(AdapterDigest("a"), ADAPTER_BYTES)
    small = world.submit("small")

    assert small in world.step()

    world.slots.unpin(AdapterDigest("a"))
    for _ in range(60):
        world.step()
    assert large.stage is Stage.ENDED


def test_a_request_that_could_never_fit_is_refused_at_once() -> None:
    with pytest.raises(InvalidRequest):
        World(pages=2).submit(prompt=3 * PAGE_TOKENS)
