"""The payees that an address earns from."""

from pathlib import Path

from attribution.split import TREASURY, Payee
from node.settlement.datanets import DatanetFiles
from node.settlement.entitlements import entitlements_of
from tests.attribution.ledgers import OWNERS, key, word
from tests.node.settlement.publications import MEMBERS, NET, Chain


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
