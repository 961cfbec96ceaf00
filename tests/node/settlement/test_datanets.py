"""Lists of contributors: believed only if the chain has their root."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from attribution.datanets import Contributors
from attribution.split import TREASURY, Payee
from contracts.crypto import Bytes32
from node.chain.events import DatanetPublished
from node.settlement.datanets import DatanetFiles
from node.settlement.entitlements import entitlements_of
from node.settlement.errors import ContributorsForged, ContributorsUnknown
from tests.attribution.ledgers import OWNERS, key, word

NET = word("net")
MEMBERS = Contributors.of([(key(100 + number).address, number + 1) for number in range(3)])


@dataclass(frozen=True)
class Chain:
    """Has published version 1 of one Datanet."""

    contributors: Contributors = MEMBERS

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        if (datanet_id, version) != (NET, 1):
            return None
        root, weight = self.contributors.root, self.contributors.total_weight
        return DatanetPublished(NET, 1, word("content"), root, weight, len(self.contributors.members), 1_000)


def test_a_list_that_was_added_is_found_again(tmp_path: Path) -> None:
    DatanetFiles(tmp_path).add(NET, 1, MEMBERS)

    assert DatanetFiles(tmp_path).contributors(NET, 1, Chain()) == MEMBERS


def test_a_list_that_is_missing_or_not_published_is_unknown(tmp_path: Path) -> None:
    files = DatanetFiles(tmp_path)
    files.add(NET, 2, MEMBERS)

    for version in (1, 2):
        with pytest.raises(ContributorsUnknown, match=f"version {version}"):
            files.contributors(NET, version, Chain())


@pytest.mark.parametrize("change", ["weight", "address", "version", "json", "empty"])
def test_a_changed_list_is_refused(tmp_path: Path, change: str) -> None:
    path = DatanetFiles(tmp_path).add(NET, 1, MEMBERS)
    document = json.loads(path.read_text())
    if change == "weight":
        document["contributors"][0]["weight"] = "5"
    elif change == "address":
        document["contributors"][0]["address"] = OWNERS[0]
    elif change == "version":
        document["version"] = 2
    elif change == "empty":
        document["contributors"] = []
    path.write_text("{" if change == "json" else json.dumps(document))

    with pytest.raises(ContributorsForged):
        DatanetFiles(tmp_path).contributors(NET, 1, Chain())


def test_an_address_is_entitled_to_its_lines_its_shares_and_the_treasury(tmp_path: Path) -> None:
    files, payee, lost = DatanetFiles(tmp_path), Payee.of_datanet(NET, 1), Payee.of_datanet(word("lost"), 1)
    files.add(NET, 1, MEMBERS)
    versions = {payee: (NET, 1), lost: (word("lost"), 1)}
    member = key(101).address

    mine = entitlements_of(member, versions, files, Chain(), treasury=OWNERS[0])
    treasury = entitlements_of(OWNERS[0], versions, files, Chain(), treasury=OWNERS[0])

    assert [one.payee for one in mine.entries] == [Payee.of_address(member), payee]
    assert [one.part(600) for one in mine.entries] == [600, 200]
    assert [one.payee for one in treasury.entries] == [Payee.of_address(OWNERS[0]), TREASURY]
    assert mine.unknown == treasury.unknown == ((word("lost"), 1),)
