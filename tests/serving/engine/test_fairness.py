"""What a flood cannot do to those who ask rarely. Steps of a tenth of a second, a model that takes no time."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.load_queue import PATIENCE_S
from serving.engine.pace import PREFILL_TOKENS
from serving.engine.scheduler import MAX_ROWS
from serving.engine.sequence import Sequence, Stage
from serving.kv.pages import PAGE_TOKENS
from tests.serving.engine.test_scheduler import World

PATIENCE_STEPS = int(PATIENCE_S / 0.1) + 1


def steps_to_first_token(world: World, sequence: Sequence, most: int) -> int:
    for step in range(1, most + 1):
        world.step()
        if sequence.output_len or sequence.stage is Stage.ENDED:
            return step
    raise AssertionError(f"no token after {most} steps")


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_rare_request_s_wait_is_bounded_whatever_a_flood_sends(seed: int) -> None:
    """All is of the flood's choice, but that no single sequence of it may fill more than half of the pages."""
    rng = random.Random(seed)
    pages = rng.randint(40, 400)
    world = World(pages=pages, adapters_fit=3)
    most = pages // 2 * PAGE_TOKENS
    for _ in range(rng.randint(1, 250)):
        prompt = rng.randint(1, max(2, min(most // 2, 1500)))
        world.submit(rng.choice([None, "a"]), prompt, rng.randint(1, most - prompt), "flood", token=rng.randrange(99))
    for _ in range(rng.randint(0, 60)):
        world.step()

    rare = world.submit(rng.choice([None, "a", "b"]), rng.randint(1, 100), 4, "rare")

    # the flood has two flows, whose firsts may be reading prompts of their own
    reading = 2 * -(-1500 // (PREFILL_TOKENS // 4))
    steps_to_first_token(world, rare, PATIENCE_STEPS + reading + 4)


def test_a_rare_request_among_many_short_ones_has_its_token_in_the_next_step() -> None:
    world = World(pages=4_000)
    for number in range(600):
        world.submit(None, 64, 64, "flood", token=number)
    for _ in range(40):
        world.step()
    assert len(world.scheduler.running) == MAX_ROWS

    assert steps_to_first_token(world, world.submit(None, 64, 64, "rare"), 3) == 1


def test_many_rare_requests_at_once_share_the_rows_that_no_flood_gets() -> None:
    world = World(pages=4_000)
    for number in range(600):
        world.submit(None, 16, 1000, "flood", token=number)
    for _ in range(10):
        world.step()
    rare = [world.submit(None, 16, 4, f"rare {i}") for i in range(48)]

    for _ in range(3 * 5):
        world.step()

    assert all(each.stage is Stage.ENDED for each in rare)
    assert world.scheduler.preemptions == 0


def test_flows_that_ask_for_more_than_there_is_get_the_same_number_of_tokens() -> None:
    world = World(pages=64)
    sizes = {"short": (8, 8), "long": (40, 80)}
    tokens = dict.fromkeys(sizes, 0)
    for step in range(1500):
        for tenant, (prompt, output) in sizes.items():
            waiting = sum(each.request.tenant == tenant for each in world.scheduler.ready)
            for number in range(20 - waiting):
                world.submit(None, prompt, output, tenant, token=step + number)
        for sequence in world.step():
            tokens[sequence.request.tenant] += 1

    assert 0.5 < tokens["short"] / tokens["long"] < 2


def test_a_long_prompt_leaves_a_part_of_each_step_to_those_behind_it() -> None:
    world = World(pages=1_000)
    long = world.submit(None, 8 * PREFILL_TOKENS, 2, "long")
    short = world.submit(None, 64, 2, "short")

    assert steps_to_first_token(world, short, 4) == 1
    assert long.output_len == 0


@pytest.mark.parametrize("seed", range(3))
def test_beside_a_tenant_that_sends_more_than_there_is_a_rare_one_waits_for_three_steps_at_most(seed: int) -> None:
    """In steps with room for two prompts of 64 tokens, of which one tenant sends 2.4 in every step."""
    rng = random.Random(seed)
    world = World(pages=8_000, adapters_fit=20)
    rare: dict[Sequence, int] = {}
    waits: list[int] = []
    for step in range(400):
        for _ in range(rng.choices((2, 3), (6, 4))[0]):
            world.submit("flooded", 64, 64, "flood", token=rng.randrange(10**6))
        if step > 100 and rng.random() < 0.1:
            rare[world.submit(f"a{len(rare) % 10}", 64, 64, f"rare {len(rare)}")] = step
        world.step(prefill_tokens=128)
        waits += [step - at + 1 for sequence, at in rare.items() if sequence.output_len == 1]

    assert len(waits) >= 20
    assert max(waits) <= 3
    assert sum(each.request.tenant == "flood" for each in world.scheduler.ready) > 50
