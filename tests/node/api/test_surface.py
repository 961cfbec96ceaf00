"""Metrics, the prefix cache, lists of models, and draining."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.api import listing
from node.dev import starter
from node.dev.starter import BASE_NAME
from node.world import World
from tests.node.running import free_settings, node_thread


def test_metrics_count_tokens_and_receipts_under_vllm_s_names(http: httpx2.Client) -> None:
    http.post("/v1/completions", json={"model": BASE_NAME, "prompt": "Hi", "max_tokens": 3, "ignore_eos": True})

    found = {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}

    assert any(sample.value >= 3 for sample in found["vllm:generation_tokens"].samples)
    for name in (
        "vllm:time_to_first_token_seconds",
        "vllm:inter_token_latency_seconds",
        "vllm:num_requests_running",
        "vllm:kv_cache_usage_perc",
        "vllm:prefix_cache_queries",
        "vllm:prefix_cache_hits",
        "vllm:lora_requests_info",
        "vllm:lora_adapter_loaded",
        "vllm:lora_adapter_load_seconds",
        "vllm:num_gpu_loaded_lora_adapters",
        "vllm:num_requests_waiting",
        "vllm:num_requests_waiting_by_reason",
        "vllm:request_queue_time_seconds",
        "vllm:request_time_per_output_token_seconds",
        "vllm:e2e_request_latency_seconds",
        "vllm:request_success",
        "vllm:admission_rejections",
        "vllm:prompt_tokens",
        "openlora_receipts",
        "openlora_adapters",
    ):
        assert name in found


def test_a_repeated_prompt_is_reused_and_usage_receipt_and_metrics_say_so(http: httpx2.Client) -> None:
    body = {"model": BASE_NAME, "prompt": [5 + i for i in range(50)], "max_tokens": 3, "temperature": 0}
    first, again = (http.post("/v1/completions", json=body).json() for _ in range(2))
    found = {family.name: family for family in text_string_to_metric_families(http.get("/metrics").text)}

    assert again["choices"] == first["choices"]
    assert [answer["usage"]["prompt_tokens"] for answer in (first, again)] == [50, 50]
    assert [answer["usage"]["prompt_tokens_details"]["cached_tokens"] for answer in (first, again)] == [0, 48]
    assert [answer["receipt"]["receipt"]["tokensIn"] for answer in (first, again)] == ["50", "2"]
    assert [answer["receipt"]["receipt"]["tokensCached"] for answer in (first, again)] == ["0", "48"]
    queries, hits = (found[f"vllm:prefix_cache_{what}"].samples[0].value for what in ("queries", "hits"))
    assert queries >= hits + 50 >= 48 + 50


def test_a_prompt_is_reused_only_under_the_same_salt(http: httpx2.Client) -> None:
    def cached(salt: str | None) -> int:
        prompt = [7 + i for i in range(50)]
        body = {"model": BASE_NAME, "prompt": prompt, "max_tokens": 1, "temperature": 0, "cache_salt": salt}
        return int(http.post("/v1/completions", json=body).json()["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert [cached(salt) for salt in ("a", "a", "b", None, "b", None)] == [0, 48, 0, 0, 48, 48]


@pytest.mark.parametrize("path", ["/v1/models", "/adapters"])
def test_lists_of_models_are_paged_without_gaps(http: httpx2.Client, path: str) -> None:
    whole = http.get(path).json()
    assert whole["next"] is None

    paged, query = [], {"limit": "2"}
    while "cursor" not in query or query["cursor"]:
        page = http.get(path, params=query).json()
        paged += page["data"]
        query["cursor"] = page["next"]

    assert paged == whole["data"]
    assert len(paged) >= len(starter.pack().adapters)


@pytest.mark.parametrize("path", ["/v1/models", "/adapters"])
@pytest.mark.parametrize("piece", [1, 2, 3])
def test_a_list_written_in_pieces_is_the_list(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, path: str, piece: int
) -> None:
    whole, paged = http.get(path).json(), http.get(path, params={"limit": 1000}).json()

    monkeypatch.setattr(listing, "PIECE", piece)

    assert http.get(path).json() == whole == paged
    names = [each["id" if path == "/v1/models" else "name"] for each in whole["data"]]
    assert names == [BASE_NAME] * (path == "/v1/models") + sorted(set(names) - {BASE_NAME})


def test_a_draining_node_finishes_its_streams_and_takes_nothing_new(tmp_path: Path) -> None:
    with node_thread(free_settings(tmp_path)) as node, httpx2.Client(base_url=node.url, timeout=60) as http:
        body = {"model": BASE_NAME, "prompt": "Hi", "max_tokens": 300, "ignore_eos": True, "stream": True}
        with http.stream("POST", "/v1/completions", json=body) as stream:
            lines = stream.iter_lines()
            next(lines)
            draining = asyncio.run_coroutine_threadsafe(node.world.runs.drain(30, node.world.service.abort), node.loop)
            while not node.world.runs.draining:
                pass
            ready = httpx2.get(node.url + "/readyz")
            refused = httpx2.post(node.url + "/v1/completions", json=body)
            rest = [line for line in lines if line]

    assert ready.status_code == 503
    assert ready.json()["checks"]["accepting"]["reason"] == "draining"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
    assert refused.headers["Retry-After"]
    assert rest[-1] == "data: [DONE]"
    assert draining.result(30) == 0


def test_an_error_in_mid_stream_is_one_data_line_and_no_done(tmp_path: Path) -> None:
    async def lose_the_database(world: World) -> None:
        await world.database.close()

    with node_thread(free_settings(tmp_path)) as node, httpx2.Client(base_url=node.url, timeout=60) as http:
        body = {"model": BASE_NAME, "prompt": "Hi", "max_tokens": 300, "ignore_eos": True, "stream": True}
        with http.stream("POST", "/v1/completions", json=body) as stream:
            lines = stream.iter_lines()
            next(lines)
            node.run(lose_the_database)
            last = [line for line in lines if line][-1]

    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "storage_unavailable"
    assert not len(node.world.runs)


def test_what_outlasts_the_drain_is_aborted_with_a_receipt(tmp_path: Path) -> None:
    async def drained(world: World) -> int:
        return await world.runs.drain(0.0, world.service.abort)

    with node_thread(free_settings(tmp_path)) as node, httpx2.Client(base_url=node.url, timeout=60) as http:
        body = {"model": BASE_NAME, "prompt": "Hi", "max_tokens": 500, "ignore_eos": True, "stream": True}
        with http.stream("POST", "/v1/completions", json=body) as stream:
            lines = stream.iter_lines()
            next(lines)
            aborted = node.run(drained)
            rest = [line for line in lines if line]

    assert aborted == 1
    assert '"finish_reason":"abort"' in rest[-2]
    assert '"receipt"' in rest[-2]
