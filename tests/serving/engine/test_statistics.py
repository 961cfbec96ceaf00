"""The snapshot agrees with what the scheduler holds."""

from serving.engine.statistics import Counters, snapshot
from tests.serving.engine.test_scheduler import ADAPTER_BYTES, World


def test_sequences_are_counted_by_stage_and_memory_in_bytes() -> None:
    world = World(pages=64, adapters_fit=2)
    running, parked = world.submit("a", output=40), world.submit(output=40)
    world.step()
    world.scheduler.park(parked)
    world.submit("cold")
    world.step(finish_loads=False)
    world.submit()

    stats = snapshot(world.scheduler, Counters(steps=7, output_tokens=3), page_bytes=100)

    assert (stats.running, stats.parked, stats.loading, stats.waiting) == (1, 1, 1, 1)
    assert running in world.scheduler.running
    assert stats.kv_used_bytes == 100 * world.scheduler.pages.held > 0
    assert stats.kv_budget_bytes == 6_400
    assert (stats.adapter_used_bytes, stats.adapter_budget_bytes) == (2 * ADAPTER_BYTES, 2 * ADAPTER_BYTES)
    assert (stats.adapters_resident, stats.steps, stats.output_tokens) == (1, 7, 3)


def test_load_seconds_exclude_the_wait_for_a_thread() -> None:
    counters = Counters()
    counters.record_load({"wait": 4.0, "read": 1.0})
    counters.record_load({"wait": 1.0, "read": 2.0, "copy": 0.5})

    stats = snapshot(World().scheduler, counters, page_bytes=1)

    assert stats.load_stages == (("copy", 1, 0.5), ("read", 2, 3.0), ("wait", 2, 5.0))
    assert stats.load_seconds == 3.5
