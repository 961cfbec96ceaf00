"""What every answer has, whatever it answers."""

import json

import httpx2
import pytest

from node.api.app import create_app
from tests.node.running import NodeThread


def test_a_request_id_is_echoed_or_made(http: httpx2.Client) -> None:
    given = http.get("/healthz", headers={"X-Request-Id": "trace-1.2:3_4"}).headers["X-Request-Id"]
    made = [http.get("/healthz").headers["X-Request-Id"] for _ in range(2)]

    assert given == "trace-1.2:3_4"
    assert made[0] != made[1]


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "<script>", ""])
def test_a_malformed_request_id_is_replaced(http: httpx2.Client, bad: str) -> None:
    answered = http.get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"]

    assert answered != bad
    assert len(answered) == 32


def test_an_error_is_openais_under_v1_and_a_problem_elsewhere(http: httpx2.Client) -> None:
    openai, problem = http.get("/v1/nothing"), http.get("/nothing")

    assert openai.json()["error"]["code"] == problem.json()["code"] == "not_found"
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["request_id"] == problem.headers["X-Request-Id"]


def test_a_method_that_a_path_lacks_is_named(http: httpx2.Client) -> None:
    refused = http.delete("/receipts")

    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert "DELETE" in refused.json()["detail"]


def test_a_query_out_of_bounds_is_named(http: httpx2.Client) -> None:
    refused = http.get("/receipts", params={"limit": 0})

    assert (refused.status_code, refused.json()["code"], refused.json()["param"]) == (400, "invalid_request", "limit")


async def test_an_unexpected_error_is_a_500_that_tells_nothing(node: NodeThread) -> None:
    app = create_app(node.world)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("password is hunter2")

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
        answer = await client.get("/broken", headers={"X-Request-Id": "r-1"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert answer.headers["X-Request-Id"] == json.loads(answer.text)["request_id"] == "r-1"
