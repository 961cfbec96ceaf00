"""The starter pack as assets to register."""

from contracts.crypto import keccak
from local_chain.accounts import dev_accounts
from node.dev.assets import PPM, starter_adapters, starter_datanets
from node.dev.starter import pack

ACCOUNTS = dev_accounts()


def test_each_datanet_has_the_stewards_and_weights_of_the_manifest() -> None:
    for datanet, made in zip(pack().datanets, starter_datanets(pack(), ACCOUNTS), strict=True):
        weights = {ACCOUNTS[member.account_index].address: member.weight for member in datanet.contributors}

        assert made.steward == ACCOUNTS[datanet.steward_index]
        assert {member.address: member.weight for member in made.contributors.members} == weights
        assert made.contributors.total_weight == sum(weights.values())


def test_the_content_root_depends_on_every_text() -> None:
    roots = [datanet.content_root for datanet in starter_datanets(pack(), ACCOUNTS)]

    assert len(set(roots)) == len(roots)
    assert roots == [datanet.content_root for datanet in starter_datanets(pack(), ACCOUNTS)]


def test_each_adapter_gives_all_its_data_part_to_its_datanet() -> None:
    digests = {adapter.name: keccak(adapter.name.encode()) for adapter in pack().adapters}

    made = starter_adapters(pack(), ACCOUNTS, digests)

    assert {adapter.name: adapter.digest for adapter in made} == digests
    assert all(sum(part for _, part in adapter.datanets) == PPM for adapter in made)
    assert [adapter.owner for adapter in made] == [ACCOUNTS[adapter.owner_index] for adapter in pack().adapters]


def test_keys_are_not_printed() -> None:
    assert ACCOUNTS[3].secret.hex() not in repr(starter_datanets(pack(), ACCOUNTS))
