"""Metrics about memory tiers."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from node.metrics.tiers import TierCollector
from tests.node.metrics.exposition import told
from tests.node.metrics.test_metrics import STATS


def test_loads_evictions_and_preemptions_are_read_at_every_scrape() -> None:
    stats = [replace(STATS, preemptions=2, evictions=3, adapter_host_evictions=4, load_stages=(("read", 5, 1.5),))]
    registry = CollectorRegistry()
    registry.register(TierCollector(lambda: stats[0]))

    first = told(registry)
    stats[0] = replace(stats[0], preemptions=6)
    second = told(registry)

    assert first["vllm:num_preemptions_total"] == [({}, 2.0)]
    assert second["vllm:num_preemptions_total"] == [({}, 6.0)]
    assert first["openlora_adapter_evictions_total"] == [({"tier": "device"}, 3.0), ({"tier": "host"}, 4.0)]
    assert first["openlora_adapter_load_seconds_count"] == [({"stage": "read"}, 5.0)]
    assert first["openlora_adapter_load_seconds_sum"] == [({"stage": "read"}, 1.5)]
