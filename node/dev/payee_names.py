"""The names of payees on a development chain: its public accounts, and the Datanets that the seeding published."""

from collections.abc import Sequence

from attribution.split import Payee
from contracts.crypto import PrivateKey
from node.dev.seed import Seeded
from node.dev.starter import StarterPack
from node.home.dev_accounts import dev_account_keys
from node.metering.payee_labels import Labels


def dev_payee_names(seeded: Seeded, accounts: Sequence[PrivateKey], pack: StarterPack) -> Labels:
    """Labels for every named development account, every owner of a starter adapter, and every seeded Datanet."""
    names = {Payee.of_address(key.address): name for name, key in dev_account_keys().items()}
    for adapter in pack.adapters:
        names[Payee.of_address(accounts[adapter.owner_index].address)] = f"owner of {adapter.name}"
    for datanet in seeded.datanets:
        payee = Payee.of_datanet(datanet.datanet_id, datanet.version)
        names[payee] = f"Datanet {datanet.name} v{datanet.version}"
    return Labels(names)
