"""Liveness, readiness and the documentation page."""

import re

import httpx2

from node.version import VERSION


def test_a_ready_node_says_so(http: httpx2.Client) -> None:
    assert http.get("/healthz").json() == http.get("/health").json() == {"status": "ok"}
    assert http.get("/readyz").json()["status"] == "ready"
    assert http.get("/version").json() == {"version": VERSION}


def test_the_documentation_loads_nothing_from_elsewhere(http: httpx2.Client) -> None:
    page = http.get("/docs")

    assert page.status_code == 200
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page.text)
    assert {"/v1/chat/completions", "/v1/models", "/nodes/me", "/receipts/{receipt_id}", "/readyz"} <= set(
        http.get("/openapi.json").json()["paths"]
    )


def test_the_documentation_page_lists_what_openapi_json_has(http: httpx2.Client) -> None:
    page, document = http.get("/docs").text, http.get("/openapi.json").json()

    assert 'fetch("/openapi.json")' in page
    undocumented = [
        (path, method)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not operation.get("summary") or not operation.get("description")
    ]
    assert undocumented == []
