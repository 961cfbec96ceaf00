"""The operator's verbs on the admin listener: adapters in memory, what is refused, and the node's status."""

from typing import Any

import httpx2
import pytest

from node.dev import starter
from node.dev.starter import BASE_NAME, StarterAdapter
from tests.node.running import NodeThread


@pytest.fixture
def admin(node: NodeThread) -> httpx2.Client:
    return httpx2.Client(base_url=node.admin_url, headers=node.token, timeout=60)


@pytest.mark.parametrize(
    ("source", "code"),
    [("file:/nonexistent", "source_refused"), ("ftp://x/y", "source_refused"), ("hf:org/name", "source_refused")],
)
def test_a_source_that_cannot_be_used_is_refused(admin: httpx2.Client, source: str, code: str) -> None:
    answer = admin.post("/admin/adapters", json={"source": source, "name": "bad"})

    assert 400 <= answer.status_code < 600
    assert answer.json()["code"] in (code, "source_unavailable")


def test_pin_evict_and_ps_show_what_is_in_memory(
    admin: httpx2.Client, http: httpx2.Client, adapter: StarterAdapter
) -> None:
    def shown() -> dict[str, Any]:
        models = admin.get("/admin/ps").json()["models"]
        return next(model for model in models if model["id"] == adapter.name)

    http.post("/v1/completions", json={"model": adapter.name, "prompt": "Hi", "max_tokens": 1})
    before = shown()
    http.post("/v1/completions", json={"model": adapter.name, "prompt": "Hi", "max_tokens": 1})
    after = shown()
    assert (after["residency"], after["in_flight"], after["pinned"]) == ("device", 0, False)
    assert after["hits"] == before["hits"] + 1
    assert after["last_used"] >= before["last_used"]
    assert after["rank"] > 0 < after["bytes"]
    assert admin.post(f"/admin/adapters/{adapter.name}/pin").json()["pinned"] is True
    refused = admin.post(f"/admin/adapters/{adapter.name}/evict")
    assert (refused.status_code, refused.json()["code"]) == (409, "adapter_busy")
    assert admin.post(f"/admin/adapters/{adapter.name}/unpin").json()["pinned"] is False
    assert admin.post(f"/admin/adapters/{adapter.name}/evict").status_code == 200
    assert shown()["residency"] == "disk"


def test_status_names_each_check(admin: httpx2.Client) -> None:
    status = admin.get("/admin/status").json()

    assert status["ready"] is True
    assert status["adapters"]["registered"] >= len(starter.pack().adapters)
    assert status["uptime_s"] >= 0
    assert status["checks"]["accepting"] == {"ok": True, "reason": "takes new requests"}


def test_a_name_in_use_is_refused_with_what_to_do(admin: httpx2.Client, adapter: StarterAdapter) -> None:
    for name, reason in ((adapter.name, "is served already"), (BASE_NAME, "is the name of the base model")):
        answer = admin.post("/admin/adapters", json={"source": f"file:{adapter.path}", "name": name})

        assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "invalid_request", "name")
        assert f"{reason}; give another name, or remove or replace the adapter" in answer.json()["detail"]


def test_another_digest_than_the_expected_one_is_refused(admin: httpx2.Client, adapter: StarterAdapter) -> None:
    body = {"source": f"file:{adapter.path}", "name": "expected", "digest": "0" * 64}
    answer = admin.post("/admin/adapters", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "adapter_corrupt")
    assert admin.delete("/admin/adapters/expected").status_code == 404


def test_a_version_is_not_removed_without_its_name(admin: httpx2.Client, http: httpx2.Client) -> None:
    name = starter.pack().adapters[0].name
    digest = http.get(f"/v1/models/{name}").json()["digest"]
    answer = admin.delete(f"/admin/adapters/{name}@{digest}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert http.get(f"/v1/models/{name}").status_code == 200


@pytest.mark.parametrize("verb", ["pin", "unpin", "evict"])
def test_verbs_on_an_unknown_adapter_are_not_found(admin: httpx2.Client, verb: str) -> None:
    for name in ("nobody", "team/nobody", BASE_NAME, f"{starter.pack().adapters[0].name}@{'0' * 64}"):
        answer = admin.post(f"/admin/adapters/{name}/{verb}")

        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
