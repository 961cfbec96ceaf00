"""Latencies of requests, refusals, and the series of adapters in memory."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from contracts.crypto import to_address
from node.chain.demands import Demand
from node.metrics.metrics import MAX_RESIDENT_SERIES, AdapterCollector, Metrics, Watch
from node.settlement.answer_states import AnswerState, Progress
from node.settlement.status import SettleStatus
from serving.types import Activity, AdapterDigest, End, EngineStats, ModelCard, Outcome, Residency, Usage
from tests.node.metrics.exposition import told

PAYEE = to_address("0x" + "11" * 20)
STATS = EngineStats(
    **dict.fromkeys(EngineStats.__dataclass_fields__, 0)  # type: ignore[arg-type]
    | {"adapters_resident": 2, "adapter_used_bytes": 20, "adapter_budget_bytes": 110, "loads": 3, "load_seconds": 0.5}
)


def card(name: str, used_at: float = 0.0, residency: Residency = Residency.DEVICE) -> ModelCard:
    return ModelCard(name, AdapterDigest("d"), "file:x", 8, 10, residency, False, 0, used_at)


def adapters(activity: Activity, stats: EngineStats = STATS) -> dict[str, list[tuple[dict[str, str], float]]]:
    registry = CollectorRegistry()
    registry.register(AdapterCollector(lambda: stats, lambda: activity))
    return told(registry)


def test_a_request_is_timed_from_arrival_over_the_queue_to_each_token() -> None:
    metrics = Metrics()
    watch = Watch(metrics).named("a")
    for choice in (0, 1, 0, 1, 0):
        watch.tokens(choice, 1)

    watch.ended(End(Outcome.FINISHED, "stop", Usage(7, 3, 5), queued_s=0.25))

    found = told(metrics)
    counts = {name: found[f"vllm:{name}_seconds_count"][0] for name in TIMES}
    assert counts == {name: ({"model_name": "a"}, count) for name, count in TIMES.items()}
    assert found["vllm:request_queue_time_seconds_sum"] == [({"model_name": "a"}, 0.25)]
    assert found["vllm:prompt_tokens_total"] == [({"model_name": "a"}, 10)]
    assert found["vllm:generation_tokens_total"] == [({"model_name": "a"}, 5)]


TIMES = {
    "time_to_first_token": 1,
    "inter_token_latency": 3,
    "request_time_per_output_token": 2,
    "request_queue_time": 1,
    "e2e_request_latency": 1,
}


def test_a_request_that_never_ran_has_no_queue_time() -> None:
    metrics = Metrics()

    Watch(metrics).named("a").ended(End(Outcome.ABORTED, "abort", Usage(0, 0, 0)))

    assert "vllm:request_queue_time_seconds_count" not in told(metrics)


@pytest.mark.parametrize(("code", "reason"), [("overloaded", "queue_full"), ("not_ready", "not_ready")])
def test_refusals_for_want_of_room_are_rejections(code: str, reason: str) -> None:
    metrics = Metrics()

    metrics.refused(code)
    metrics.refused("invalid_request")

    assert told(metrics)["vllm:admission_rejections_total"] == [({"reason": reason}, 1)]
    assert len(told(metrics)["openlora_refusals_total"]) == 2


def test_adapters_in_memory_are_told_as_llm_d_reads_them() -> None:
    resident = (replace(card("a"), pinned=True), card("b", residency=Residency.HOST), card("a@0123456789ab"))

    found = adapters(Activity(7, resident, frozenset({"a"}), frozenset({"b", "c"})))

    assert sorted(found["vllm:lora_adapter_loaded"], key=str) == [
        ({"adapter_name": "a", "level": "gpu", "pinned": "true", "rank": "8"}, 1),
        ({"adapter_name": "a@0123456789ab", "level": "gpu", "pinned": "false", "rank": "8"}, 1),
        ({"adapter_name": "b", "level": "cpu", "pinned": "false", "rank": "8"}, 1),
    ]
    ((info, _),) = found["vllm:lora_requests_info"]
    assert info == {"max_lora": "11", "running_lora_adapters": "a", "waiting_lora_adapters": "b,c"}
    assert found["vllm:num_gpu_loaded_lora_adapters"] == [({}, 2)]
    assert found["vllm:lora_adapter_load_seconds_count"] == [({}, 3)]
    assert found["vllm:lora_adapter_load_seconds_sum"] == [({}, 0.5)]
    tiers = {labels["tier"]: count for labels, count in found["openlora_adapters"]}
    assert (tiers["device"], tiers["disk"], sum(tiers.values())) == (1, 5, 7)


def test_series_of_adapters_in_memory_are_capped_to_those_used_last() -> None:
    resident = tuple(card(f"a{n}", used_at=n) for n in range(MAX_RESIDENT_SERIES + 10))

    found = adapters(Activity(10**5, resident, frozenset(), frozenset()))

    names = {labels["adapter_name"] for labels, _ in found["vllm:lora_adapter_loaded"]}
    assert names == {f"a{n}" for n in range(10, MAX_RESIDENT_SERIES + 10)}


def test_open_demands_are_counted_with_the_first_deadline() -> None:
    demand = Demand(PAYEE, 1, 0, PAYEE, 10**15, deadline=1_800_000_000)
    states = (AnswerState(demand, Progress.SENT), AnswerState(replace(demand, subject=1), Progress.WAITS))
    settled = SettleStatus(0, 0, 0, 0, 1, 0, 0, 0, 0, ())
    quiet, busy = Metrics(), Metrics()
    quiet.observe_money(lambda: settled)
    busy.observe_money(lambda: replace(settled, demands=states))

    assert told(quiet)["openlora_open_demands"] == told(quiet)["openlora_demand_deadline_seconds"] == [({}, 0)]
    assert told(busy)["openlora_open_demands"] == [({}, 2)]
    assert told(busy)["openlora_demand_deadline_seconds"] == [({}, 1_800_000_000)]
