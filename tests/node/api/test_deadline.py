"""A request that waits longer than the operator allows, as a client sees it."""

from pathlib import Path

import httpx2

from node.dev.starter import BASE_NAME
from tests.node.running import free_settings, node_thread


def test_it_is_told_so_with_a_code_of_its_own_and_nothing_was_computed(tmp_path: Path) -> None:
    with (
        node_thread(free_settings(tmp_path, request_timeout_s=1e-9)) as node,
        httpx2.Client(base_url=node.url, timeout=60) as http,
    ):
        answer = http.post("/v1/completions", json={"model": BASE_NAME, "prompt": "Hi", "max_tokens": 4})
        stats = node.world.service.stats()

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_passed"
    assert (stats.prompt_tokens, stats.output_tokens) == (0, 0)
