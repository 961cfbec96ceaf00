"""The operator's verbs: only with the token, and on the admin listener."""

import httpx2
import pytest

from node.starter import StarterAdapter
from tests.node.running import NodeThread


@pytest.fixture
def admin(node: NodeThread) -> httpx2.Client:
    return httpx2.Client(base_url=node.admin_url, headers=node.token, timeout=60)


LOAD = "/v1/load_lora_adapter"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_adapters_are_changed_with_the_token_only(node: NodeThread, header: dict[str, str]) -> None:
    for base in (node.url, node.admin_url):
        answer = httpx2.post(base + LOAD, json={"lora_name": "x", "lora_path": "file:/x"}, headers=header)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"


def test_the_public_listener_has_no_admin_verbs(node: NodeThread) -> None:
    assert httpx2.get(node.url + "/admin/ps", headers=node.token).status_code == 404


def test_an_adapter_is_loaded_used_and_unloaded_as_with_vllm(
    node: NodeThread, http: httpx2.Client, adapter: StarterAdapter
) -> None:
    loaded = http.post(LOAD, json={"lora_name": "twin", "lora_path": f"file:{adapter.path}"}, headers=node.token)
    again = http.post(LOAD, json={"lora_name": "twin", "lora_path": f"file:{adapter.path}"}, headers=node.token)
    used = http.post("/v1/completions", json={"model": "twin", "prompt": "Hi", "max_tokens": 1})
    unloaded = http.post("/v1/unload_lora_adapter", json={"lora_name": "twin"}, headers=node.token)
    gone = http.post("/v1/completions", json={"model": "twin", "prompt": "Hi", "max_tokens": 1})

    assert loaded.text == "Success: LoRA adapter 'twin' added successfully."
    assert (again.status_code, again.json()["error"]["param"]) == (400, "lora_name")
    assert used.status_code == 200
    assert unloaded.text == "Success: LoRA adapter 'twin' removed successfully."
    assert gone.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("source", "code"),
    [("file:/nonexistent", "source_refused"), ("ftp://x/y", "source_refused"), ("hf:org/name", "source_refused")],
)
def test_a_source_that_cannot_be_used_is_refused(admin: httpx2.Client, source: str, code: str) -> None:
    answer = admin.post("/admin/adapters", json={"source": source, "name": "bad"})

    assert 400 <= answer.status_code < 600
    assert answer.json()["code"] in (code, "source_unavailable")


def test_pin_evict_and_ps_show_what_is_in_memory(admin: httpx2.Client, adapter: StarterAdapter) -> None:
    def residency() -> str:
        models = admin.get("/admin/ps").json()["models"]
        return str(next(model["residency"] for model in models if model["id"] == adapter.name))

    assert admin.post(f"/admin/adapters/{adapter.name}/pin").json()["pinned"] is True
    refused = admin.post(f"/admin/adapters/{adapter.name}/evict")
    assert (refused.status_code, refused.json()["code"]) == (409, "adapter_busy")
    assert admin.post(f"/admin/adapters/{adapter.name}/unpin").json()["pinned"] is False
    assert admin.post(f"/admin/adapters/{adapter.name}/evict").status_code == 200
    assert residency() == "disk"


def test_status_names_each_check(admin: httpx2.Client) -> None:
    status = admin.get("/admin/status").json()

    assert status["ready"] is True
    assert status["checks"]["accepting"] == {"ok": True, "reason": "takes new requests"}
