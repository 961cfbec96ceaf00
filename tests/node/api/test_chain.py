"""The operator's commands about the chain."""

import httpx2

from tests.node.running import NodeThread


def test_a_rescan_reads_every_event_again_and_finds_nothing_missing(
    client: httpx2.Client, paid_node: NodeThread
) -> None:
    with httpx2.Client(base_url=paid_node.admin_url, headers=paid_node.token, timeout=120) as admin:
        report = admin.post("/admin/chain/rescan", params={"from_block": 0}).raise_for_status().json()

    assert report["events"] == report["eventsBefore"] > 0
    assert not report["changed"]


def test_a_rescan_is_the_operators_alone(paid_node: NodeThread) -> None:
    refused = httpx2.post(f"{paid_node.admin_url}/admin/chain/rescan")
    public = httpx2.post(f"{paid_node.url}/admin/chain/rescan", headers=paid_node.token)

    assert (refused.status_code, public.status_code) == (401, 404)


def test_a_free_node_follows_no_chain(node: NodeThread) -> None:
    refused = httpx2.post(f"{node.admin_url}/admin/chain/rescan", headers=node.token)

    assert (refused.status_code, refused.json()["code"]) == (404, "not_offered")
