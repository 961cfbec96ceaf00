"""Metrics about memory tiers: adapter loads, evictions and hits, and preempted sequences."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from serving.types import EngineStats


class TierCollector:
    """Reads the engine at every scrape."""

    def __init__(self, stats: Callable[[], EngineStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """Reads the engine once and yields the metrics about tiers and preemption."""
        stats = self._stats()
        yield CounterMetricFamily("vllm:num_preemptions", "Sequences that lost their pages", value=stats.preemptions)
        yield CounterMetricFamily(
            "openlora_recomputed_tokens", "Tokens computed again after that", value=stats.recomputed_tokens
        )
        stages = SummaryMetricFamily(
            "openlora_adapter_load_seconds",
            "Bringing an adapter to the device: wait, resolve, read, verify, copy",
            labels=["stage"],
        )
        for stage, times, seconds in stats.load_stages:
            stages.add_metric([stage], times, seconds)
        yield stages
        evictions = CounterMetricFamily("openlora_adapter_evictions", "Adapters that left a tier", labels=["tier"])
        evictions.add_metric(["device"], stats.evictions)
        evictions.add_metric(["host"], stats.adapter_host_evictions)
        yield evictions
        yield GaugeMetricFamily("openlora_adapter_host_used_bytes", "Adapters in host", stats.adapter_host_used_bytes)
        yield GaugeMetricFamily("openlora_adapter_host_budget_bytes", "Host budget", stats.adapter_host_budget_bytes)
        yield CounterMetricFamily("openlora_adapter_host_hits", "Loads from host memory", value=stats.adapter_host_hits)
