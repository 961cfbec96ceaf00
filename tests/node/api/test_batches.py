"""Batches, receipts files and proofs."""

import httpx2

from attribution.receipts_file import ReceiptsFile
from tests.node.api.paid import receipts_of
from tests.node.running import NodeThread


def test_receipts_batches_and_proofs_are_public(client: httpx2.Client, paid_node: NodeThread) -> None:
    report = httpx2.post(paid_node.admin_url + "/admin/settle/now", headers=paid_node.token, timeout=120).json()
    epoch = report["lastEpoch"]
    receipts = receipts_of(client)

    batch = client.get(f"/batches/{epoch}").json()
    file = ReceiptsFile.decode(client.get(f"/batches/{epoch}/receipts").content)
    proof = client.get(f"/receipts/0x{receipts[0].struct_hash().hex()}/proof").json()
    missing = client.get("/batches/999").json()

    assert client.get("/batches").json()["data"][0] == batch
    assert batch["header"]["count"] == str(len(receipts))
    assert [entry.receipt for entry in file.entries] == receipts
    assert proof["header"] == batch["header"]
    assert missing["code"] == "not_found"


def test_a_receipt_that_is_in_no_posted_batch_has_no_proof(client: httpx2.Client) -> None:
    missing = client.get("/receipts/0x" + "11" * 32 + "/proof")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "in no posted batch yet" in missing.json()["detail"]


def test_a_free_node_has_no_batches(http: httpx2.Client) -> None:
    for path in ("/batches", "/batches/1", "/batches/1/receipts"):
        assert http.get(path).json()["code"] == "not_offered"
