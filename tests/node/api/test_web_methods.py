"""HEAD, OPTIONS and `Allow`, on paths of every kind."""

import httpx2
import pytest

from tests.node.running import NodeThread

READABLE = [
    "/healthz",
    "/health",
    "/readyz",
    "/version",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/nodes/me",
    "/receipts",
]


@pytest.mark.parametrize("path", [*READABLE, "/v1/models", "/v1/models/starter", "/adapters?limit=1"])
def test_head_answers_as_get_without_the_body(http: httpx2.Client, path: str) -> None:
    got, head = http.get(path), http.head(path)

    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.content == b""
    assert head.headers["X-Request-Id"]


def test_head_works_on_the_operators_listener(node: NodeThread) -> None:
    assert httpx2.head(f"{node.admin_url}/healthz").status_code == 200
    assert httpx2.head(f"{node.admin_url}/admin/ps").status_code == 401


def test_a_connection_is_usable_after_a_head(http: httpx2.Client) -> None:
    http.head("/v1/models")

    assert http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/receipts", "GET, HEAD, OPTIONS"),
        ("PUT", "/payments/channels", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/v1/completions", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/adapters/a/b", "GET, HEAD, OPTIONS"),
        ("TRACE", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_allowed_learns_which_are(http: httpx2.Client, method: str, path: str, allow: str) -> None:
    refused = http.request(method, path)

    assert (refused.status_code, refused.headers["Allow"]) == (405, allow)
    assert method in refused.text
    assert allow in refused.text


def test_head_of_a_path_without_get_is_not_allowed_by_its_own_name(http: httpx2.Client) -> None:
    refused = http.head("/v1/load_lora_adapter")

    assert (refused.status_code, refused.headers["Allow"]) == (405, "OPTIONS, POST")


def test_options_says_what_a_path_accepts(http: httpx2.Client) -> None:
    answer = http.options("/receipts")

    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, "GET, HEAD, OPTIONS", b"")
    assert http.options("/nothing").status_code == 404
