"""What is loaded before anybody waits for it, and that this costs nobody anything."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.tiers.popularity import Popularity
from serving.types import AdapterDigest
from tests.serving.engine.test_scheduler import ADAPTER_BYTES, World


def digest(name: str) -> AdapterDigest:
    return AdapterDigest(name)


def run_out(world: World) -> None:
    for _ in range(200):
        if not world.scheduler.sequences:
            return
        world.step()


def test_an_expected_adapter_is_loaded_if_there_is_room_and_evicts_nobody() -> None:
    world = World(adapters_fit=2)
    world.nbytes[digest("e")] = world.nbytes[digest("f")] = ADAPTER_BYTES
    world.submit("a")
    run_out(world)

    world.scheduler.loading.expect(digest("e"), ADAPTER_BYTES)
    world.step()
    world.scheduler.loading.expect(digest("f"), ADAPTER_BYTES)
    world.step()

    assert world.slots.resident == {"a", "e"}
    assert world.slots.evictions == 0


def test_an_expected_adapter_does_not_take_the_bytes_that_a_waiting_one_needs() -> None:
    world = World(adapters_fit=3)
    world.submit("a", output=30)
    world.submit("b", output=30)
    world.step()
    world.submit("large", nbytes=2 * ADAPTER_BYTES)
    world.nbytes[digest("e")] = ADAPTER_BYTES

    world.scheduler.loading.expect(digest("e"), ADAPTER_BYTES)
    world.step()

    assert world.slots.resident == {"a", "b"}


def test_freed_bytes_go_to_the_most_popular_absent_adapter_while_nobody_waits() -> None:
    world = World(adapters_fit=2)
    for name in ("hot", "hot", "hot", "cold", "a", "a", "a", "a", "b", "b", "b", "b"):
        world.submit(name)
        run_out(world)
    assert world.slots.resident == {"a", "b"}

    world.slots.evict(digest("b"))
    world.scheduler.loading.forget(digest("b"))
    for _ in range(3):
        world.step()

    assert world.slots.resident == {"a", "hot"}


def test_what_the_operator_evicts_stays_away_until_somebody_asks() -> None:
    world = World(adapters_fit=2)
    world.submit("a")
    run_out(world)
    world.slots.evict(digest("a"))
    world.scheduler.loading.forget(digest("a"))
    for _ in range(3):
        world.step()
    assert world.slots.resident == set()

    world.submit("a")
    run_out(world)
    assert world.slots.resident == {"a"}


def test_a_popular_adapter_that_cannot_be_loaded_is_not_tried_again_and_again() -> None:
    world = World(adapters_fit=1)
    for name in ("a", "b"):
        world.submit(name)
        run_out(world)
    world.slots.evict(digest("b"))
    started = []
    for _ in range(5):
        world.now += 0.1
        for adapter in world.scheduler.loads_to_start(world.now):
            started.append(adapter)
            assert world.scheduler.adapter_failed(adapter) == []

    assert sorted(started) == ["a", "b"]
    assert world.slots.used_bytes == 0


@given(st.integers(0, 10**6))
def test_the_most_popular_is_the_one_with_the_largest_faded_sum(seed: int) -> None:
    rng, popularity = random.Random(seed), Popularity()
    asked: dict[AdapterDigest, list[float]] = {}
    now = 0.0
    for _ in range(rng.randint(1, 60)):
        now += rng.expovariate(1 / 200)
        adapter = digest(rng.choice("abcde"))
        popularity.asked(adapter, 1, now)
        asked.setdefault(adapter, []).append(now)

    scores = {each: sum(2 ** ((at - now) / 600) for at in times) for each, times in asked.items()}
    found = popularity.most(1, lambda each: True)

    assert found is not None
    assert scores[found[0]] == pytest.approx(max(scores.values()))


def test_no_more_adapters_are_remembered_than_are_of_use() -> None:
    popularity = Popularity()
    for number in range(20_000):
        popularity.asked(digest(f"{number}"), 1, 0.0)
        popularity.asked(digest("often"), 1, 0.0)

    assert len(popularity) < 10_000
    assert popularity.most(1, lambda each: True) == ("often", 1)
