"""The names of a development chain: its public accounts, and what the seeding published."""

from collections.abc import Sequence

from attribution.split import Payee
from contracts.crypto import PrivateKey
from node.dev.seed import Seeded
from node.dev.starter import StarterPack
from node.metering.payee_labels import Labels

DEV_NAMES = {0: "deployer", 1: "operator", 2: "payer"} | {10 + n: f"contributor-{n + 1}" for n in range(12)}
"""Names by index in the public mnemonic; 3 to 5 own adapters and steward Datanets."""


def dev_labels(seeded: Seeded, accounts: Sequence[PrivateKey], pack: StarterPack) -> Labels:
    """Who earns on a development chain."""
    names = {Payee.of_address(accounts[index].address): name for index, name in DEV_NAMES.items()}
    for adapter in pack.adapters:
        names[Payee.of_address(accounts[adapter.owner_index].address)] = f"owner of {adapter.name}"
    for one in seeded.datanets:
        names[Payee.of_datanet(one.datanet_id, one.version)] = f"Datanet {one.name} v{one.version}"
    return Labels(names)
