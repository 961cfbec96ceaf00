"""`audit` and `watch` on a mirror's folder, without a chain."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.batch import build
from attribution.receipts_file import ReceiptsFile
from contracts.encoding import to_hex
from node.dev.starter import BASE_NAME
from node.watch.source import Card, MirrorFolder
from tests.attribution.ledgers import LEDGER, NODE, OPERATOR, OPERATOR_KEY, HonestNode, published, word
from tests.node.cli.conftest import Cli


@pytest.fixture
def mirrored(tmp_path: Path) -> MirrorFolder:
    """The folder of a node with two batches, in a mirror."""
    source, node = MirrorFolder(tmp_path / "mirror" / NODE), HonestNode()
    source.folder.mkdir(parents=True)
    source.card_path.write_text(json.dumps(Card(LEDGER.domain, NODE, OPERATOR).to_json()))
    tip = node.genesis
    for epoch in (1, 2):
        items = node.serve_many(3, seed=epoch)
        source.batch_path(epoch).write_bytes(published(tip, items).encode())
        tip = build(tip, items).tip
    return source


def forge(mirrored: MirrorFolder) -> None:
    path = mirrored.batch_path(2)
    file = ReceiptsFile.decode(path.read_bytes())
    path.write_bytes(replace(file, header=replace(file.header, state_root=word("elsewhere"))).encode())


def test_a_mirrored_ledger_is_audited_whole_or_up_to_a_batch(cli: Cli, mirrored: MirrorFolder) -> None:
    root = str(mirrored.folder.parent)

    whole = json.loads(cli("--json", "audit", "node", "--mirror", root).out)
    first = cli("audit", "batch", "1", "--mirror", str(mirrored.folder))
    beyond = cli("audit", "batch", "3", "--mirror", root)

    assert whole == {"epochs": 2, "receipts": 6, "chain": False, "findings": []}
    assert first.out.startswith("replayed 1 batches, 3 receipts, by their files alone: no chain is configured")
    assert (first.code, beyond.code) == (0, 2)


def test_a_fault_is_named_with_exit_code_7(cli: Cli, mirrored: MirrorFolder) -> None:
    forge(mirrored)

    whole, first = (cli("audit", *verb, "--mirror", str(mirrored.folder)) for verb in (("node",), ("batch", "1")))

    assert (whole.code, first.code) == (7, 0)
    assert "WRONG    epoch 2, receipt 6: T8 broken (broken link)" in whole.out


def test_a_payer_s_receipts_are_compared_with_the_posted_ones(cli: Cli, mirrored: MirrorFolder, tmp_path: Path) -> None:
    posted = ReceiptsFile.decode(mirrored.receipts_file(1)).entries[0].receipt
    rows = []
    for receipt in (posted, replace(posted, output_commit=word("another answer"))):
        signature = to_hex(OPERATOR_KEY.sign(receipt.digest(LEDGER.domain)))
        line = [{"payeeKind": 0, "id": "0x" + "00" * 32, "amount": str(receipt.fee)}]
        rows.append({"id": to_hex(receipt.struct_hash()), "receipt": receipt.to_json(), "signature": signature})
        rows[-1]["lines"] = line
    got = tmp_path / "got.jsonl"
    got.write_text("\n".join(json.dumps(row) for row in rows) + "\n")

    done = cli("--json", "audit", "node", "--mirror", str(mirrored.folder), "--receipts", str(got))
    got.write_text("{}\n")
    malformed = cli("audit", "node", "--mirror", str(mirrored.folder), "--receipts", str(got))

    assert done.code == 7
    assert [(one["fault"], one["seq"]) for one in json.loads(done.out)["findings"]] == [("equivocation", 1)]
    assert malformed.code == 2


def test_watching_once_reports_each_fault_and_goes_on_when_a_node_is_away(cli: Cli, mirrored: MirrorFolder) -> None:
    forge(mirrored)
    away = "http://127.0.0.1:9"

    done = cli("--json", "watch", away, str(mirrored.folder), "--once")

    assert done.code == 7
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert (row["node"], row["fault"], row["epoch"]) == (str(mirrored.folder), "broken link", 2)
    assert row["challenge"] == "proveBrokenEnd"
    assert "does not answer" in done.err


def test_watching_honest_nodes_finds_nothing(cli: Cli, mirrored: MirrorFolder) -> None:
    done = cli("watch", str(mirrored.folder), "--once")

    assert (done.code, done.out) == (0, f"{mirrored.folder}: replayed up to epoch 2, 6 receipts\n")


def test_a_free_receipt_is_audited_by_its_signature(cli: Cli, home: str) -> None:
    reply = json.loads(cli("--home", home, "--json", "chat", BASE_NAME, "Hello", "--max-tokens", "1").out)

    done = cli("--home", home, "audit", "receipt", reply["receipt"]["id"])

    assert done.code == 0
    assert done.out.startswith("ok       signature")
