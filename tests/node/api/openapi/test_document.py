"""Whether /openapi.json says what the two applications answer."""

import re
from typing import Any

import httpx2
import pytest

from node.api.openapi.operations import OPERATIONS
from node.dev.starter import BASE_NAME
from tests.node.api.paid import CHAT
from tests.node.running import NodeThread

NOBODY = "0x" + "11" * 20


def document(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{url}/openapi.json", timeout=60).json()
    return found


def members(value: object) -> list[tuple[str, object]]:
    """Every key and value at any depth."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = list(value.items()) if isinstance(value, dict) else []
    return own + [pair for each in inside for pair in members(each)]


def operations(url: str) -> dict[str, dict[str, Any]]:
    paths = document(url)["paths"]
    return {f"{method.upper()} {path}": one for path, item in paths.items() for method, one in item.items()}


def test_every_reference_resolves_and_every_operation_has_its_own_id(node: NodeThread) -> None:
    for url in (node.url, node.admin_url):
        found = document(url)
        schemas = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
        ids = [one["operationId"] for one in operations(url).values()]

        assert {value for key, value in members(found) if key == "$ref"} <= schemas
        assert len(ids) == len(set(ids))
        assert "$defs" not in dict(members(found))


def test_the_table_of_operations_is_what_the_applications_route(node: NodeThread) -> None:
    assert operations(node.url).keys() | operations(node.admin_url).keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", ["POST /v1/chat/completions", "POST /v1/completions"])
def test_only_a_paid_node_declares_payment(node: NodeThread, paid_node: NodeThread, name: str) -> None:
    free, paid = operations(node.url)[name], operations(paid_node.url)[name]

    assert "x-payment-info" not in free
    assert paid["x-payment-info"]["protocols"] == ["x402"]
    assert "PAYMENT-REQUIRED" in paid["responses"]["402"]["headers"]
    assert "PAYMENT-RESPONSE" in paid["responses"]["200"]["headers"]
    assert {"application/json", "text/event-stream"} == paid["responses"]["200"]["content"].keys()
    assert {"PAYMENT-SIGNATURE", "OpenLoRA-Request"} <= {each["name"] for each in paid["parameters"]}


REQUESTS: list[tuple[str, str, object]] = [
    ("GET /v1/models", "/v1/models", None),
    ("GET /v1/models/{model}", f"/v1/models/{BASE_NAME}", None),
    ("GET /v1/models/{model}", "/v1/models/nothing", None),
    ("GET /nodes/me", "/nodes/me", None),
    ("GET /nodes/me/quote", f"/nodes/me/quote?model={BASE_NAME}", None),
    ("GET /nodes/me/quote", "/nodes/me/quote", None),
    ("GET /adapters", "/adapters", None),
    ("GET /adapters/{name}", "/adapters/cardiology", None),
    ("GET /adapters/{name}/provenance", "/adapters/cardiology/provenance", None),
    ("GET /datanets", "/datanets", None),
    ("GET /datanets/{datanet_id}", "/datanets/0x00", None),
    ("GET /receipts", "/receipts", None),
    ("GET /receipts", "/receipts?limit=0", None),
    ("GET /receipts/{receipt_id}", "/receipts/0x" + "00" * 32, None),
    ("GET /batches", "/batches", None),
    ("GET /batches/{epoch}", "/batches/999", None),
    ("GET /batches/{epoch}", "/batches/x", None),
    ("GET /contributors/{address}/earnings", f"/contributors/{NOBODY}/earnings", None),
    ("GET /contributors/{address}/claims", f"/contributors/{NOBODY}/claims", None),
    ("GET /contributors/{address}/export.csv", f"/contributors/{NOBODY}/export.csv", None),
    ("GET /payments/channels", f"/payments/channels?payer={NOBODY}", None),
    ("GET /payments/channels/{channel_id}", "/payments/channels/0x00", None),
    ("POST /payments/channels", "/payments/channels", {"x": 1}),
    ("GET /healthz", "/healthz", None),
    ("GET /readyz", "/readyz", None),
    ("GET /version", "/version", None),
    ("GET /metrics", "/metrics", None),
    ("GET /llms.txt", "/llms.txt", None),
    ("GET /.well-known/x402", "/.well-known/x402", None),
    ("POST /v1/completions", "/v1/completions", {"model": BASE_NAME, "prompt": "Hi", "max_tokens": 1}),
    ("POST /v1/chat/completions", CHAT, {"model": BASE_NAME, "messages": []}),
    ("POST /v1/chat/completions", CHAT, {"model": BASE_NAME, "messages": [{"role": "user", "content": "x"}]}),
    ("POST /v1/load_lora_adapter", "/v1/load_lora_adapter", {}),
]


@pytest.mark.parametrize("mode", ["free", "paid"])
@pytest.mark.parametrize(("name", "path", "body"), REQUESTS)
def test_an_answer_is_what_the_document_says(
    node: NodeThread, paid_node: NodeThread, mode: str, name: str, path: str, body: object
) -> None:
    url = (node if mode == "free" else paid_node).url
    method = name.partition(" ")[0]

    answer = httpx2.request(method, url + path, json=body, timeout=60)

    declared = operations(url)[name]["responses"][str(answer.status_code)]
    media = re.split(r"[;]", answer.headers["content-type"])[0]
    assert media in declared["content"]
    reference = declared["content"][media]["schema"].get("$ref", "")
    model = OPERATIONS[name].model
    if answer.status_code == OPERATIONS[name].status and model is not None:
        assert reference.endswith("/" + model.__name__)
        model.model_validate(answer.json())
    elif answer.status_code >= 400 and reference.endswith("/Problem"):
        assert {"type", "title", "status", "detail", "code"} <= answer.json().keys()
    elif answer.status_code >= 400:
        assert {"message", "type", "code", "param"} <= answer.json()["error"].keys()
    assert all(header in answer.headers for header in declared["headers"] if answer.status_code in (402, 429, 503))


def test_a_paid_answer_is_what_the_document_says(client: httpx2.Client) -> None:
    chat = {"model": "cardiology", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    answer = client.post(CHAT, json=chat)

    completion = OPERATIONS["POST /v1/chat/completions"].model
    stored = OPERATIONS["GET /receipts/{receipt_id}"].model
    channels = OPERATIONS["GET /payments/channels"].model
    assert completion is not None
    assert stored is not None
    assert channels is not None
    assert answer.headers["PAYMENT-RESPONSE"]
    completion.model_validate(answer.json())
    found = client.get(f"/receipts/{answer.json()['receipt']['id']}").json()
    stored.model_validate(found)
    channels.model_validate(client.get("/payments/channels", params={"payer": found["payer"]}).json())
