"""Mirrors: complete, resumable, never overwritten; what a node changes or withholds is reported and kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.batch import build
from attribution.findings import Fault
from attribution.receipts_file import ReceiptsFile
from contracts.structs import Terms
from node.watch.mirror import MirrorUnusable, mirror
from node.watch.source import Card, MirrorFolder, SourceMalformed
from tests.attribution.ledgers import LEDGER, NODE, OPERATOR, OWNERS, HonestNode, published, terms, word


class Shop:
    """An honest node whose public files lie in a folder, as a mirror keeps them."""

    def __init__(self, folder: Path) -> None:
        self.source, self.node = MirrorFolder(folder), HonestNode()
        self.tip = self.node.genesis
        folder.mkdir()
        self.source.datanets.mkdir()
        self.source.card_path.write_text(json.dumps(Card(LEDGER.domain, NODE, OPERATOR).to_json()))
        for number in range(3):
            self.list_contributors(terms(number))

    def post(self, count: int = 3) -> ReceiptsFile:
        items = self.node.serve_many(count, seed=self.tip.epoch)
        file = published(self.tip, items)
        self.tip = build(self.tip, items).tip
        self.source.batch_path(self.tip.epoch).write_bytes(file.encode())
        return file

    def list_contributors(self, agreed: Terms) -> None:
        for link in agreed.datanets:
            path = self.source.datanets / f"{link.datanet_id.hex()}-{link.version}.json"
            rows = [{"address": owner, "weight": "5"} for owner in OWNERS]
            path.write_text(json.dumps({"datanetId": "0x" + link.datanet_id.hex(), "contributors": rows}))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "node")
    for _ in range(3):
        made.post()
    return made


def copies(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_mirror_has_every_file_and_resumes(shop: Shop, tmp_path: Path) -> None:
    first = mirror(shop.source, tmp_path / "copy")
    before = copies(tmp_path / "copy")
    shop.post()
    second = mirror(shop.source, tmp_path / "copy")
    third = mirror(shop.source, tmp_path / "copy")

    assert (first.fetched, second.fetched, third.fetched) == ([1, 2, 3], [4], [])
    assert (first.findings, first.missing, second.findings) == ([], [], [])
    assert second.last_epoch == third.last_epoch == 4
    after = copies(tmp_path / "copy")
    assert before.items() <= after.items()
    assert not [name for name in after if "partial" in name]


def test_a_mirror_is_a_source_for_another_mirror(shop: Shop, tmp_path: Path) -> None:
    copied = mirror(shop.source, tmp_path / "copy")
    again = mirror(MirrorFolder(copied.folder), tmp_path / "copy of the copy")

    assert again.fetched == [1, 2, 3]
    assert copies(tmp_path / "copy") == copies(tmp_path / "copy of the copy")


def test_another_header_for_an_epoch_is_kept_beside_the_first_and_reported(shop: Shop, tmp_path: Path) -> None:
    mirror(shop.source, tmp_path / "copy")
    held = copies(tmp_path / "copy")
    path = shop.source.batch_path(3)
    file = ReceiptsFile.decode(path.read_bytes())
    forged = replace(file, header=replace(file.header, closed_at=file.header.closed_at + 5))
    path.write_bytes(forged.encode())

    once, twice = mirror(shop.source, tmp_path / "copy"), mirror(shop.source, tmp_path / "copy")

    assert [finding.fault for finding in once.findings] == [Fault.EQUIVOCATION]
    assert [finding.detail for finding in twice.findings] == [finding.detail for finding in once.findings]
    kept = {name for name in copies(tmp_path / "copy") if name not in held}
    assert kept == {f"{NODE}/equivocation-00000003-{forged.header.struct_hash().hex()}.receipts"}
    assert held.items() <= copies(tmp_path / "copy").items()


def test_a_withheld_file_is_reported_and_fetched_later(shop: Shop, tmp_path: Path) -> None:
    path = shop.source.batch_path(2)
    content = path.read_bytes()
    announced = shop.source.announced

    class Withholding(MirrorFolder):
        def announced(self, after: int) -> list[object]:  # type: ignore[override]
            return listed  # type: ignore[no-any-return]

    listed: list[object] = list(announced(0))
    source = Withholding(shop.source.folder)
    path.write_bytes(b"nothing")
    withheld = mirror(source, tmp_path / "copy")
    path.write_bytes(content)
    later = mirror(source, tmp_path / "copy")

    assert withheld.fetched == [1, 3]
    assert [finding.fault for finding in withheld.findings] == [Fault.WITHHELD, Fault.UNCHAINED]
    assert (later.fetched, later.findings) == ([2], [])


def test_a_damaged_copy_is_not_overwritten(shop: Shop, tmp_path: Path) -> None:
    copied = mirror(shop.source, tmp_path / "copy")
    MirrorFolder(copied.folder).batch_path(2).write_bytes(b"damaged")

    with pytest.raises(MirrorUnusable, match="delete it and run again"):
        mirror(shop.source, tmp_path / "copy")

    assert MirrorFolder(copied.folder).batch_path(2).read_bytes() == b"damaged"


def test_a_vault_of_another_chain_needs_another_folder(shop: Shop, tmp_path: Path) -> None:
    mirror(shop.source, tmp_path / "copy")
    elsewhere = replace(LEDGER.domain, chain_id=1)
    shop.source.card_path.write_text(json.dumps(Card(elsewhere, NODE, OPERATOR).to_json()))

    with pytest.raises(MirrorUnusable, match="another chain"):
        mirror(shop.source, tmp_path / "copy")


def test_a_rotated_operator_is_no_other_node(shop: Shop, tmp_path: Path) -> None:
    mirror(shop.source, tmp_path / "copy")
    shop.source.card_path.write_text(json.dumps(Card(LEDGER.domain, NODE, OWNERS[0]).to_json()))

    assert mirror(shop.source, tmp_path / "copy").findings == []


def test_missing_and_malformed_lists_of_contributors_are_named(shop: Shop, tmp_path: Path) -> None:
    for path in shop.source.datanets.iterdir():
        path.write_text(json.dumps({"contributors": [{"address": OWNERS[0], "weight": "0"}]}))

    done = mirror(shop.source, tmp_path / "copy")

    links = {(link.datanet_id, link.version) for number in range(3) for link in terms(number).datanets}
    assert done.missing
    assert set(done.missing) <= links


def test_a_node_without_a_chain_has_nothing_to_mirror(shop: Shop, tmp_path: Path) -> None:
    document = Card(LEDGER.domain, NODE, OPERATOR).to_json() | {"chainId": "0"}
    shop.source.card_path.write_text(json.dumps(document))

    with pytest.raises(SourceMalformed, match="no batches"):
        mirror(shop.source, tmp_path / "copy")


def test_a_forged_receipt_is_reported_and_its_file_kept(shop: Shop, tmp_path: Path) -> None:
    path = shop.source.batch_path(1)
    file = ReceiptsFile.decode(path.read_bytes())
    path.write_bytes(replace(file, header=replace(file.header, state_root=word("elsewhere"))).encode())

    done = mirror(shop.source, tmp_path / "copy")

    assert done.findings[0].fault == Fault.BROKEN_LINK
    assert MirrorFolder(done.folder).batch_path(1).exists()
