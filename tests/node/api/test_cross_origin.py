"""Which web pages may read the public API: preflights, exposed headers, and the setting."""

from pathlib import Path

import httpx2
import pytest

from node.config import SettingsError, load
from node.dev.starter import BASE_NAME
from tests.node.running import NodeThread, free_settings, node_thread

PAGE = "https://app.example"
CHAT = "/v1/chat/completions"


def preflight(client: httpx2.Client, path: str, method: str = "POST", headers: str = "") -> httpx2.Response:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": method}
    return client.options(path, headers=asked | ({"Access-Control-Request-Headers": headers} if headers else {}))


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/payments/channels", "/payments/channels/0x00/voucher"])
def test_a_preflight_grants_the_headers_that_it_asks_for(http: httpx2.Client, path: str) -> None:
    asked = "authorization,content-type,openlora-request,payment-signature,x-stainless-lang"

    answer = preflight(http, path, headers=asked)

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == asked
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert int(answer.headers["Access-Control-Max-Age"]) >= 7200
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing"])
def test_the_page_of_a_wrong_path_can_read_the_404(http: httpx2.Client, path: str) -> None:
    assert preflight(http, path).status_code == 204

    answer = http.post(path, headers={"Origin": PAGE})

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (404, "*")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/models", None, 200),
        ("GET", "/healthz", None, 200),
        ("POST", CHAT, {"model": BASE_NAME, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}, 200),
        ("POST", CHAT, {"model": "x", "messages": [{"role": "user", "content": "Hi"}]}, 404),
        ("POST", CHAT, {"model": BASE_NAME}, 400),
        ("DELETE", CHAT, None, 405),
    ],
)
def test_a_page_may_read_answers_and_errors(
    http: httpx2.Client, method: str, path: str, body: object, status: int
) -> None:
    answer = http.request(method, path, json=body, headers={"Origin": PAGE})

    exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
    assert {"PAYMENT-REQUIRED", "PAYMENT-RESPONSE", "X-Request-Id", "Retry-After", "X-Should-Retry"} <= exposed


def test_a_program_that_is_no_page_gets_no_such_headers(http: httpx2.Client) -> None:
    assert not [name for name in http.get("/v1/models").headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/v1/unload_lora_adapter"])
def test_the_operators_paths_are_closed_to_pages(http: httpx2.Client, path: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(http, path, headers="authorization").headers
    assert "Access-Control-Allow-Origin" not in http.post(path, headers={"Origin": PAGE}).headers


@pytest.mark.parametrize("path", ["/admin/ps", "/healthz", "/v1/load_lora_adapter"])
def test_the_operators_listener_is_closed_to_pages(node: NodeThread, path: str) -> None:
    with httpx2.Client(base_url=node.admin_url) as admin:
        answers = [preflight(admin, path, "GET"), admin.get(path, headers={"Origin": PAGE, **node.token})]

    assert not [answer for answer in answers if "Access-Control-Allow-Origin" in answer.headers]


def test_only_the_origins_of_the_setting_are_allowed(tmp_path: Path) -> None:
    with node_thread(free_settings(tmp_path, cors_origins=(PAGE,))) as node, httpx2.Client(base_url=node.url) as client:
        mine = preflight(client, CHAT)
        others = client.get("/healthz", headers={"Origin": "https://other.example"})

    assert mine.headers["Access-Control-Allow-Origin"] == PAGE
    assert mine.headers["Vary"] == others.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in others.headers


@pytest.mark.parametrize(("given", "parsed"), [("", ()), ("*", ("*",)), (f"{PAGE},http://b:1", (PAGE, "http://b:1"))])
def test_the_environment_sets_the_origins(given: str, parsed: tuple[str, ...]) -> None:
    assert load({}, {"OPENLORA_CORS_ORIGINS": given}).settings.cors_origins == parsed


@pytest.mark.parametrize("wrong", ["app.example", f"{PAGE}/", "null", "https://*.example", "ftp://a"])
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"cors_origins": (wrong,)}, {})

    assert refused.value.problems[0].key == "cors_origins"
