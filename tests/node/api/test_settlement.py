"""The operator's settlement commands."""

import httpx2
import pytest

from tests.node.running import NodeThread


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/now"), ("POST", "/retry")])
def test_settlement_is_the_operators_alone(paid_node: NodeThread, method: str, path: str) -> None:
    refused = httpx2.request(method, f"{paid_node.admin_url}/admin/settle{path}")
    public = httpx2.request(method, f"{paid_node.url}/admin/settle{path}", headers=paid_node.token)

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert public.status_code == 404


def test_a_dry_run_posts_nothing(client: httpx2.Client, paid_node: NodeThread) -> None:
    with httpx2.Client(base_url=paid_node.admin_url, headers=paid_node.token, timeout=120) as admin:
        before = client.get("/batches").json()
        admin.post("/admin/settle/now", params={"dry_run": True}).raise_for_status()

    assert client.get("/batches").json()["data"] == before["data"]


def test_retrying_reports_the_same_status_as_asking(client: httpx2.Client, paid_node: NodeThread) -> None:
    with httpx2.Client(base_url=paid_node.admin_url, headers=paid_node.token, timeout=120) as admin:
        admin.post("/admin/settle/now").raise_for_status()
        retried = admin.post("/admin/settle/retry").json()
        asked = admin.get("/admin/settle").json()

    assert retried.keys() == asked.keys()


def test_a_free_node_settles_nothing(node: NodeThread) -> None:
    refused = httpx2.get(f"{node.admin_url}/admin/settle", headers=node.token)

    assert (refused.status_code, refused.json()["code"]) == (404, "not_offered")


def test_a_report_shows_transactions_value_and_deadlines(client: httpx2.Client, paid_node: NodeThread) -> None:
    with httpx2.Client(base_url=paid_node.admin_url, headers=paid_node.token, timeout=120) as admin:
        report = admin.get("/admin/settle").json()

    assert {"transactions", "value", "deadlines"} <= report.keys()
    assert {"claimable", "gasCost", "settlesBy"} <= report["value"].keys()
