"""How strangers find what a node sells: x402 catalogues, prices, and the text for language models."""

import base64
import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from x402.schemas import PaymentRequired

from node.dev.starter import BASE_NAME
from tests.node.running import NodeThread


def get(node: NodeThread, path: str, **more: Any) -> httpx2.Response:
    return httpx2.get(node.url + path, timeout=60, **more)


def terms(answer: httpx2.Response) -> dict[str, Any]:
    """The x402 document of a 402, read by the official types."""
    assert answer.status_code == 402, answer.text
    document: dict[str, Any] = json.loads(base64.b64decode(answer.headers["PAYMENT-REQUIRED"]))
    assert PaymentRequired.model_validate(document).accepts
    return document


@pytest.mark.parametrize(
    ("method", "content"), [("GET", None), ("HEAD", None), ("POST", None), ("POST", b"{}"), ("POST", b" ")]
)
def test_every_advertised_url_answers_a_probe_with_valid_terms(
    paid_node: NodeThread, method: str, content: bytes | None
) -> None:
    advertised = get(paid_node, "/.well-known/x402").json()

    assert advertised["resources"] == [item["resource"] for item in advertised["items"]]
    for item in advertised["items"]:
        answer = httpx2.request(method, item["resource"], content=content, timeout=60)
        document = terms(answer)

        assert document["accepts"] == item["accepts"]
        assert int(document["accepts"][0]["amount"]) > 0
        assert document["resource"]["url"] == item["resource"]


def test_a_402_tells_catalogues_how_to_call_the_resource(paid_node: NodeThread) -> None:
    for path in ("/v1/chat/completions", "/v1/completions"):
        extension = terms(get(paid_node, path))["extensions"]["bazaar"]
        call, schema = extension["info"]["input"], extension["schema"]["properties"]["input"]["properties"]
        body = call["body"]

        assert (call["type"], call["method"], call["bodyType"]) == ("http", "POST", "json")
        assert call.keys() == schema.keys()
        assert set(schema["body"]["required"]) <= body.keys() <= schema["body"]["properties"].keys()
        priced = httpx2.post(paid_node.url + path, json=body, timeout=60)
        assert int(terms(priced)["accepts"][0]["amount"]) > 0


def test_the_terms_fit_the_header_buffers_of_common_proxies(paid_node: NodeThread) -> None:
    assert len(get(paid_node, "/v1/chat/completions").headers["PAYMENT-REQUIRED"]) < 4096


def test_models_have_openrouter_s_prices_in_whole_tokens(paid_node: NodeThread) -> None:
    for model in get(paid_node, "/v1/models").json()["data"]:
        prices, rates = model["prices"], model["pricing"]

        assert model["context_length"] == model["max_model_len"]
        assert Decimal(rates["prompt"]) * 10**24 == int(prices["promptPerM"])
        assert Decimal(rates["completion"]) * 10**24 == int(prices["outputPerM"])
        assert Decimal(rates["input_cache_read"]) * 10**24 == int(prices["cachedPerM"])
        assert Decimal(rates["request"]) * 10**18 == int(prices["minFee"])
        assert not any("E" in rate.upper() for rate in rates.values())


def test_a_free_node_sells_nothing(http: httpx2.Client) -> None:
    for path in ("/.well-known/x402", "/v1/chat/completions"):
        answer = http.get(path)
        assert (answer.status_code, "not_offered" in answer.text) == (404, True)
    assert http.post("/v1/chat/completions").status_code == 400
    assert http.get(f"/v1/models/{BASE_NAME}").json()["pricing"] is None


def test_llms_txt_leads_to_everything_else(paid_node: NodeThread, http: httpx2.Client) -> None:
    text = get(paid_node, "/llms.txt")
    links = [part.partition(")")[0] for part in text.text.split("](")[1:]]

    assert text.headers["content-type"].startswith("text/plain")
    assert len(links) == 5
    assert all(httpx2.get(link, timeout=60).status_code == 200 for link in links)
    assert "Inference is free" in http.get("/llms.txt").text
