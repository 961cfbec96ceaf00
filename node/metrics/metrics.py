"""Prometheus metrics. Names are vLLM's where the meaning is the same, so that its dashboards work, else openlora_*."""

import time
from collections import Counter as TokenCounts
from collections.abc import Callable, Iterable
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from node.metrics.adapter_labels import MAX_LABELS, AdapterLabels
from node.metrics.tiers import TierCollector
from node.settlement.status import SettleStatus
from serving.types import Activity, End, EngineStats, ModelCard, Residency

MAX_RESIDENT_SERIES = 1000
"""How many adapters in memory get a series of their own; the most recently used come first."""
_REJECTIONS = {"overloaded": "queue_full", "not_ready": "not_ready"}
_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one node, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._labels = AdapterLabels()
        model = ["model_name"]
        self.first_token = self._histogram("vllm:time_to_first_token_seconds", "Arrival to first token", model)
        self.inter_token = self._histogram("vllm:inter_token_latency_seconds", "Between tokens", model)
        self.per_token = self._histogram(
            "vllm:request_time_per_output_token_seconds", "A choice's mean time from token to token", model
        )
        self.queued = self._histogram("vllm:request_queue_time_seconds", "Acceptance to first step", model)
        self.whole = self._histogram("vllm:e2e_request_latency_seconds", "Arrival to receipt", model)
        self.prompt_tokens = self._counter("vllm:prompt_tokens", "Prompt tokens, cached ones included", model)
        self.output_tokens = self._counter("vllm:generation_tokens", "Output tokens", model)
        self.success = self._counter("vllm:request_success", "Requests by how they ended", [*model, "finished_reason"])
        self.receipts = self._counter("openlora_receipts", "Receipts issued, by outcome", ["outcome"])
        self.refusals = self._counter("openlora_refusals", "Requests refused, by error code", ["code"])
        self.rejections = self._counter("vllm:admission_rejections", "Requests refused for want of room", ["reason"])

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_LATENCY_S)

    def label(self, model: str) -> str:
        """The label under which a request for `model` is counted."""
        return self._labels.of(model)

    def refused(self, code: str) -> None:
        """A request was refused with this error code."""
        self.refusals.labels(code).inc()
        if code in _REJECTIONS:
            self.rejections.labels(_REJECTIONS[code]).inc()

    def observe_engine(self, stats: Callable[[], EngineStats], activity: Callable[[], Activity]) -> None:
        """Reads the engine at every scrape."""
        self.registry.register(EngineCollector(stats))
        self.registry.register(AdapterCollector(stats, activity))
        self.registry.register(TierCollector(stats))

    def observe_money(self, status: Callable[[], SettleStatus | None]) -> None:
        """Reads the state of settlement at every scrape."""
        self.registry.register(MoneyCollector(status))

    def text(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)


class Watch:
    """Measures one request from its arrival on."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self._label = metrics, "other"
        self._started = time.perf_counter()
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._tokens: TokenCounts[int] = TokenCounts()

    def named(self, model: str) -> Self:
        """Labels the request with `model`, which must exist: clients could invent any number of names."""
        self._label = self._metrics.label(model)
        return self

    def tokens(self, choice: int, count: int) -> None:
        """Records that `count` tokens of a choice have arrived now."""
        if count == 0:
            return
        now = time.perf_counter()
        if not self._last:
            self._metrics.first_token.labels(self._label).observe(now - self._started)
        elif choice in self._last:
            self._metrics.inter_token.labels(self._label).observe(now - self._last[choice])
        self._first.setdefault(choice, now)
        self._last[choice] = now
        self._tokens[choice] += count

    def ended(self, end: End) -> None:
        """The request has ended: records its latencies, tokens and outcome."""
        metrics, usage = self._metrics, end.usage
        metrics.whole.labels(self._label).observe(time.perf_counter() - self._started)
        for choice, tokens in self._tokens.items():
            if tokens > 1:
                per_token_s = (self._last[choice] - self._first[choice]) / (tokens - 1)
                metrics.per_token.labels(self._label).observe(per_token_s)
        if end.queued_s is not None:
            metrics.queued.labels(self._label).observe(end.queued_s)
        metrics.prompt_tokens.labels(self._label).inc(usage.prompt_tokens + usage.cached_tokens)
        metrics.output_tokens.labels(self._label).inc(usage.output_tokens)
        metrics.success.labels(self._label, end.finish_reason).inc()
        metrics.receipts.labels(end.outcome.value).inc()


class MoneyCollector:
    """The state of settlement when it was last read. Amounts in base units, rounded to float64 as Prometheus does."""

    def __init__(self, status: Callable[[], SettleStatus | None]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """One gauge per figure; nothing before the state is first read."""
        now = self._status()
        if now is None:
            return
        yield GaugeMetricFamily("openlora_unposted_receipts", "Receipts in no posted batch", now.unposted_receipts)
        yield GaugeMetricFamily("openlora_unposted_value", "Fees in no posted batch", now.unposted_value)
        yield GaugeMetricFamily(
            "openlora_at_risk_value", "Charged and not yet claimed from channels", now.at_risk_value
        )
        yield GaugeMetricFamily("openlora_credited_value", "Swept to Settlement so far", now.credited)
        yield GaugeMetricFamily("openlora_batches_posted", "The newest posted epoch", now.last_epoch)
        yield GaugeMetricFamily("openlora_batches_active", "The newest active epoch", now.active_epoch)
        yield GaugeMetricFamily("openlora_open_demands", "Open demands on this node's headers", len(now.demands))
        deadline = min((state.demand.deadline for state in now.demands), default=0)
        yield GaugeMetricFamily(
            "openlora_demand_deadline_seconds",
            "When the first open demand must be answered, unix time; 0: none",
            deadline,
        )
        yield GaugeMetricFamily("openlora_transactions_pending", "Transactions under way", len(now.pending))


class EngineCollector:
    """Gauges and counters of the engine."""

    def __init__(self, stats: Callable[[], EngineStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """Reads the engine once and yields its gauges and counters."""
        stats = self._stats()
        kv_share = stats.kv_used_bytes / stats.kv_budget_bytes if stats.kv_budget_bytes else 0.0
        yield GaugeMetricFamily("vllm:num_requests_running", "Sequences in the batch", stats.running)
        yield GaugeMetricFamily("vllm:num_requests_waiting", "Requests waiting", stats.waiting + stats.loading)
        waiting = GaugeMetricFamily(
            "vllm:num_requests_waiting_by_reason", "capacity: for memory; deferred: for the adapter", labels=["reason"]
        )
        waiting.add_metric(["capacity"], stats.waiting)
        waiting.add_metric(["deferred"], stats.loading)
        yield waiting
        yield GaugeMetricFamily("vllm:kv_cache_usage_perc", "Used part of the KV cache, 0 to 1", kv_share)
        yield CounterMetricFamily(
            "vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache", value=stats.prompt_tokens_asked
        )
        yield CounterMetricFamily(
            "vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache", value=stats.prompt_tokens_reused
        )
        yield GaugeMetricFamily("openlora_kv_kept_bytes", "KV cache kept for prefixes", stats.kv_kept_bytes)
        yield GaugeMetricFamily("openlora_requests_parked", "Sequences awaiting more paid tokens", stats.parked)
        yield GaugeMetricFamily("openlora_kv_budget_bytes", "KV cache budget", stats.kv_budget_bytes)
        yield GaugeMetricFamily("openlora_adapter_budget_bytes", "Adapter budget", stats.adapter_budget_bytes)
        yield GaugeMetricFamily("openlora_adapter_used_bytes", "Adapter bytes on the device", stats.adapter_used_bytes)
        yield CounterMetricFamily("openlora_engine_steps", "Engine steps", value=stats.steps)
        yield CounterMetricFamily("openlora_adapter_loads", "Adapters brought to the device", value=stats.loads)


class AdapterCollector:
    """Which adapters are in memory and in use. Its cost does not depend on the number of idle adapters on disk."""

    def __init__(self, stats: Callable[[], EngineStats], activity: Callable[[], Activity]) -> None:
        self._stats, self._activity = stats, activity

    def collect(self) -> Iterable[Metric]:
        """Reads the engine once and yields the metrics about adapters."""
        stats, activity = self._stats(), self._activity()
        yield GaugeMetricFamily(
            "vllm:num_gpu_loaded_lora_adapters", "Adapters on the device, be it a GPU or a CPU", stats.adapters_resident
        )
        yield SummaryMetricFamily(
            "vllm:lora_adapter_load_seconds",
            "Bringing an adapter to the device",
            count_value=stats.loads,
            sum_value=stats.load_seconds,
        )
        yield _loaded(activity.resident)
        yield _residency(activity)
        yield _lora_requests(stats, activity)


def _loaded(resident: Iterable[ModelCard]) -> Metric:
    """The form that llm-d's router reads. level: `gpu` for device memory, even on a CPU, and `cpu` for host memory."""
    labels = ["adapter_name", "level", "pinned", "rank"]
    family = GaugeMetricFamily("vllm:lora_adapter_loaded", "Adapters in memory", labels=labels)
    latest = sorted(resident, key=lambda card: card.last_used_at or 0.0, reverse=True)
    for card in latest[:MAX_RESIDENT_SERIES]:
        level = "gpu" if card.residency is Residency.DEVICE else "cpu"
        family.add_metric([card.name, level, str(card.pinned).lower(), str(card.rank)], 1)
    return family


def _residency(activity: Activity) -> Metric:
    family = GaugeMetricFamily("openlora_adapters", "Adapters by the fastest tier that holds them", labels=["tier"])
    served = [card for card in activity.resident if "@" not in card.name]  # earlier versions are not counted
    for tier in Residency:
        count = sum(card.residency is tier for card in served)
        family.add_metric([tier.value], count + (activity.registered - len(served)) * (tier is Residency.DISK))
    return family


def _lora_requests(stats: EngineStats, activity: Activity) -> Metric:
    """vLLM's form: adapter names as labels, a timestamp as the value. Names beyond MAX_LABELS are left out.

    Device memory is budgeted in bytes, so max_lora is an estimate: how many adapters of the resident size would fit.
    """
    most = activity.registered
    if stats.adapter_used_bytes:
        most = stats.adapters_resident * stats.adapter_budget_bytes // stats.adapter_used_bytes
    labels = ["max_lora", "running_lora_adapters", "waiting_lora_adapters"]
    family = GaugeMetricFamily("vllm:lora_requests_info", "Adapters with requests in flight", labels=labels)
    running, waiting = (",".join(sorted(names)[:MAX_LABELS]) for names in (activity.running, activity.waiting))
    family.add_metric([str(most), running, waiting], time.time())
    return family
