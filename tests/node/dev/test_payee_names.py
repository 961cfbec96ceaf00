"""The names of payees on a development chain."""

from attribution.split import Payee
from contracts.crypto import ZERO_BYTES32, keccak
from local_chain.accounts import dev_accounts
from node.dev.assets import starter_datanets
from node.dev.payee_names import dev_payee_names
from node.dev.seed import Seeded, SeededDatanet
from node.dev.starter import pack

ACCOUNTS = dev_accounts()
NET = keccak(b"net")


def test_accounts_owners_and_datanets_have_names() -> None:
    contributors = starter_datanets(pack(), ACCOUNTS)[0].contributors
    seeded = Seeded(ACCOUNTS[1].address, ZERO_BYTES32, (SeededDatanet("clinic", NET, 2, contributors),), ())

    names = dev_payee_names(seeded, ACCOUNTS, pack())

    assert names.of(Payee.of_address(ACCOUNTS[2].address)) == "payer"
    assert names.of(Payee.of_address(ACCOUNTS[21].address)) == "contributor-12"
    assert names.of(Payee.of_datanet(NET, 2)) == "Datanet clinic v2"
    for adapter in pack().adapters:
        assert names.of(Payee.of_address(ACCOUNTS[adapter.owner_index].address)) == f"owner of {adapter.name}"
