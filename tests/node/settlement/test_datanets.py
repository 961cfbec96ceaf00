"""Lists of contributors: believed only if the chain has their root."""

import json
from pathlib import Path

import pytest

from node.settlement.datanets import DatanetFiles
from node.settlement.errors import ContributorsForged, ContributorsUnknown
from tests.attribution.ledgers import OWNERS
from tests.node.settlement.publications import MEMBERS, NET, Chain


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
