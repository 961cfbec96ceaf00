"""The tiers and preemptions as metrics show them: what is unloaded is gone, what was loaded was timed."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.dev.starter import StarterAdapter
from tests.node.running import NodeThread

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


@pytest.fixture
def admin(node: NodeThread) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=node.admin_url, headers=node.token, timeout=60) as client:
        yield client


def metric(http: httpx2.Client, name: str, **labels: str) -> float:
    """One sample by its full name."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    (found,) = [s.value for f in families for s in f.samples if s.name == name and s.labels == labels]
    return float(found)


def test_unloading_drains_then_frees_and_the_metrics_show_it(
    node: NodeThread, http: httpx2.Client, admin: httpx2.Client, adapter: StarterAdapter, tmp_path: Path
) -> None:
    folder = shutil.copytree(adapter.path, tmp_path / "own")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")  # a version that no other name means
    for name in [each["id"] for each in admin.get("/admin/ps").json()["models"] if each["residency"] == "device"]:
        admin.post(f"/admin/adapters/{name}/evict")
    used = metric(http, "openlora_adapter_used_bytes")
    pages = metric(http, "vllm:kv_cache_usage_perc")
    http.post(LOAD, json={"lora_name": "own", "lora_path": f"file:{folder}"}, headers=node.token)
    body = {"model": "own", "prompt": "Hi", "max_tokens": 200, "ignore_eos": True, "stream": True}
    lines = []
    with http.stream("POST", "/v1/completions", json=body) as answer:
        told = answer.iter_lines()
        lines.append(next(told))
        assert metric(http, "openlora_adapter_used_bytes") > used
        unloaded: list[httpx2.Response] = []
        unloading = threading.Thread(
            target=lambda: unloaded.append(
                httpx2.post(node.url + UNLOAD, json={"lora_name": "own"}, headers=node.token, timeout=60)
            )
        )
        unloading.start()
        lines += told
        unloading.join(60)

    assert unloaded[0].status_code == 200
    assert lines[0].startswith("data: ")
    assert "data: [DONE]" in lines  # it was not cut off
    assert metric(http, "openlora_adapter_used_bytes") == used
    assert metric(http, "openlora_adapters", tier="device") == 0
    assert metric(http, "vllm:kv_cache_usage_perc") == pages == 0


def test_loads_are_timed_by_stage_and_counted_with_evictions_by_tier(
    http: httpx2.Client, admin: httpx2.Client, adapter: StarterAdapter
) -> None:
    body = {"model": adapter.name, "prompt": "Hi", "max_tokens": 1}
    http.post("/v1/completions", json=body)
    evicted, read = (
        metric(http, "openlora_adapter_evictions_total", tier="device"),
        metric(http, "openlora_adapter_load_seconds_count", stage="read"),
    )

    admin.post(f"/admin/adapters/{adapter.name}/evict")
    http.post("/v1/completions", json=body)

    assert metric(http, "openlora_adapter_evictions_total", tier="device") == evicted + 1
    for stage in ("wait", "resolve", "read"):
        assert metric(http, "openlora_adapter_load_seconds_count", stage=stage) == read + 1
        assert metric(http, "openlora_adapter_load_seconds_sum", stage=stage) > 0
    assert metric(http, "openlora_adapter_host_budget_bytes") == 0
    assert metric(http, "vllm:num_preemptions_total") == 0
