"""Batches, receipts files and proofs."""

from pathlib import Path

import httpx2
import pytest

from attribution.receipts_file import ReceiptsFile
from node.watch.mirror import mirror
from node.watch.source import HttpNode, MirrorFolder, SourceUnavailable
from tests.node.api.paid import BODY, CHAT, receipts_of
from tests.node.running import NodeThread


def test_receipts_batches_and_proofs_are_public(client: httpx2.Client, paid_node: NodeThread) -> None:
    report = httpx2.post(paid_node.admin_url + "/admin/settle/now", headers=paid_node.token, timeout=120).json()
    epoch = report["lastEpoch"]
    receipts = receipts_of(client)

    batch = client.get(f"/batches/{epoch}").json()
    file = ReceiptsFile.decode(client.get(f"/batches/{epoch}/receipts").content)
    newest = [each for each in receipts if each.seq >= int(batch["header"]["fromSeq"])]
    proof = client.get(f"/receipts/0x{newest[0].struct_hash().hex()}/proof").json()
    missing = client.get("/batches/999").json()

    assert client.get("/batches").json()["data"][0] == batch
    assert batch["header"]["count"] == str(len(newest))
    assert [entry.receipt for entry in file.entries] == newest
    assert proof["header"] == batch["header"]
    assert missing["code"] == "not_found"


def test_a_receipt_that_is_in_no_posted_batch_has_no_proof(client: httpx2.Client) -> None:
    missing = client.get("/receipts/0x" + "11" * 32 + "/proof")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "in no posted batch yet" in missing.json()["detail"]


def test_a_free_node_has_no_batches(http: httpx2.Client) -> None:
    for path in ("/batches", "/batches/1", "/batches/1/receipts"):
        assert http.get(path).json()["code"] == "not_offered"


def test_a_mirror_copies_a_running_node_and_resumes(
    client: httpx2.Client, paid_node: NodeThread, tmp_path: Path
) -> None:
    client.post(CHAT, json=BODY).raise_for_status()
    report = httpx2.post(paid_node.admin_url + "/admin/settle/now", headers=paid_node.token, timeout=120).json()

    first = mirror(HttpNode(paid_node.url), tmp_path)
    again = mirror(HttpNode(paid_node.url + "/"), tmp_path)

    assert first.fetched == list(range(1, report["lastEpoch"] + 1))
    assert (first.findings, first.missing) == ([], [])
    assert again.fetched == []
    served = client.get("/batches/1/receipts").content
    assert MirrorFolder(first.folder).receipts_file(1) == served


def test_a_node_that_is_not_there_cannot_be_mirrored(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="does not answer"):
        mirror(HttpNode("http://127.0.0.1:9", timeout_s=1), tmp_path)
