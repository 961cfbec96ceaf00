"""The payees that an address earns from: itself, the treasury, and the Datanet versions that it contributed to."""

from collections.abc import Mapping
from dataclasses import dataclass

from attribution.datanets import Contributors, share
from attribution.split import TREASURY, Payee
from contracts.crypto import Address, Bytes32
from node.settlement.datanets import DatanetFiles, Publications
from node.settlement.errors import ContributorsForged, ContributorsUnknown


@dataclass(frozen=True, slots=True)
class Entitlement:
    """⌊earned·weight/total_weight⌋ of what `payee` earns. Without a Datanet version both weights are 1."""

    payee: Payee
    datanet_id: Bytes32 | None = None
    version: int | None = None
    contributors: Contributors | None = None
    weight: int = 1
    total_weight: int = 1

    def part(self, earned: int) -> int:
        """The part of `earned` base units that belongs to the address, rounded down."""
        return share(earned, self.weight, self.total_weight)


@dataclass(frozen=True, slots=True)
class Entitlements:
    """All entitlements of an address. unknown: Datanet versions whose contributors this node does not know."""

    address: Address
    entries: tuple[Entitlement, ...]
    unknown: tuple[tuple[Bytes32, int], ...]


def entitlements_of(
    address: Address,
    versions: Mapping[Payee, tuple[Bytes32, int]],
    datanets: DatanetFiles,
    publications: Publications,
    treasury: Address | None,
) -> Entitlements:
    """The entitlements of `address`. versions: the Datanet version behind every DATANET payee that ever earned."""
    entries, unknown = [Entitlement(Payee.of_address(address))], []
    if address == treasury:
        entries.append(Entitlement(TREASURY))
    for payee, (datanet_id, version) in sorted(versions.items()):
        try:
            contributors = datanets.contributors(datanet_id, version, publications)
        except (ContributorsUnknown, ContributorsForged):
            unknown.append((datanet_id, version))
            continue
        weight = contributors.weight_of(address)
        if weight:
            entries.append(Entitlement(payee, datanet_id, version, contributors, weight, contributors.total_weight))
    return Entitlements(address, tuple(entries), tuple(unknown))
