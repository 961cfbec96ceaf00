"""vLLM's two endpoints, as programs written for vLLM call them."""

import httpx2
import pytest

from node.dev import starter
from node.dev.starter import BASE_NAME, StarterAdapter
from tests.node.running import NodeThread

LOAD = "/v1/load_lora_adapter"


def test_an_adapter_is_loaded_used_and_unloaded_as_with_vllm(
    node: NodeThread, http: httpx2.Client, adapter: StarterAdapter
) -> None:
    twin = {"lora_name": "twin", "lora_path": f"file:{adapter.path}"}
    loaded = http.post(LOAD, json=twin, headers=node.token)
    again = http.post(LOAD, json=twin, headers=node.token)
    used = http.post("/v1/completions", json={"model": "twin", "prompt": "Hi", "max_tokens": 1})
    unloaded = http.post("/v1/unload_lora_adapter", json={"lora_name": "twin"}, headers=node.token)
    gone = http.post("/v1/completions", json={"model": "twin", "prompt": "Hi", "max_tokens": 1})

    assert loaded.text == "Success: LoRA adapter 'twin' added successfully."
    assert again.status_code == 400
    assert again.json()["error"] == {
        "message": "The lora adapter 'twin' has already been loaded. If you want to load the adapter in place, set "
        "'load_inplace' to True.",
        "type": "InvalidUserInput",
        "code": "invalid_request",
        "param": "lora_name",
    }
    assert used.status_code == 200
    assert unloaded.text == "Success: LoRA adapter 'twin' removed successfully."
    assert gone.json()["error"]["code"] == "model_not_found"


def test_loading_in_place_lets_a_name_mean_another_version(
    node: NodeThread, http: httpx2.Client, adapter: StarterAdapter
) -> None:
    other = next(each for each in starter.pack().adapters if each.name != adapter.name)
    digests = [http.get(f"/v1/models/{each.name}").json()["digest"] for each in (adapter, other)]
    shown = []
    for source, inplace in ((adapter.path, False), (other.path, True)):
        body = {"lora_name": "moving", "lora_path": str(source), "load_inplace": inplace}  # as vLLM's clients spell it
        assert http.post(LOAD, json=body, headers=node.token).status_code == 200
        shown.append(http.get("/v1/models/moving").json()["digest"])
    old = http.post("/v1/completions", json={"model": f"moving@{digests[0]}", "prompt": "Hi", "max_tokens": 1})
    http.post("/v1/unload_lora_adapter", json={"lora_name": "moving"}, headers=node.token)

    assert shown == digests
    assert old.status_code == 200


REFUSED_LOADS: list[tuple[str, dict[str, object], int, str]] = [
    ("load", {}, 400, "invalid_request"),
    ("load", {"lora_name": "x"}, 400, "invalid_request"),
    ("load", {"lora_path": "file:/x"}, 400, "invalid_request"),
    ("load", {"lora_name": "", "lora_path": "file:/x"}, 400, "invalid_request"),
    ("load", {"lora_name": BASE_NAME, "lora_path": "file:/x"}, 400, "invalid_request"),
    ("load", {"lora_name": BASE_NAME, "lora_path": "file:/x", "load_inplace": True}, 400, "invalid_request"),
    ("load", {"lora_name": "x", "lora_path": "file:/x", "is_3d_lora_weight": True}, 400, "unsupported_field"),
    ("load", {"lora_name": "x", "lora_path": "https://models.example/x"}, 400, "source_refused"),
    ("load", {"lora_name": "x", "lora_path": "etc/x"}, 400, "source_refused"),
    ("unload", {}, 400, "invalid_request"),
    ("unload", {"lora_name": "x", "lora_int_id": 5}, 400, "invalid_request"),
    ("unload", {"lora_name": "nobody"}, 404, "model_not_found"),
    ("unload", {"lora_name": BASE_NAME}, 404, "model_not_found"),
]


@pytest.mark.parametrize(("verb", "body", "status", "code"), REFUSED_LOADS)
def test_what_cannot_be_loaded_or_unloaded_is_refused(
    node: NodeThread, http: httpx2.Client, verb: str, body: dict[str, object], status: int, code: str
) -> None:
    answer = http.post(f"/v1/{verb}_lora_adapter", json=body, headers=node.token)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_unknown_adapter_is_reported_in_vllm_s_words(node: NodeThread, http: httpx2.Client) -> None:
    error = http.post("/v1/unload_lora_adapter", json={"lora_name": "x"}, headers=node.token).json()["error"]

    assert (error["message"], error["type"]) == ("The lora adapter 'x' cannot be found.", "NotFoundError")
