"""The Datanets registered on the chain, with the contributors that this node knows."""

from itertools import groupby

from fastapi import APIRouter

from attribution.split import Payee
from contracts.crypto import Bytes32
from contracts.encoding import rfc3339
from node.api.errors import NotFound
from node.api.paid_part import paid_part
from node.api.parameters import bytes32_parameter
from node.chain.events import DatanetPublished
from node.settlement.errors import ContributorsForged, ContributorsUnknown
from node.world import Paid, TheWorld, World

router = APIRouter(prefix="/datanets", tags=["Datanets"])


@router.get("")
async def list_datanets(world: TheWorld) -> dict[str, object]:
    """Every registered Datanet with its newest version."""
    published = paid_part(world, "Datanets").registrations.datanets()
    ordered = sorted(published, key=lambda datanet: (datanet.datanet_id, datanet.version))
    newest = [list(versions)[-1] for _, versions in groupby(ordered, key=lambda datanet: datanet.datanet_id)]
    return {"data": [_summary(world, datanet) for datanet in newest]}


@router.get("/{datanet_id}")
async def get_datanet(datanet_id: str, world: TheWorld) -> dict[str, object]:
    """The newest version of a Datanet, with its contributors and their weights."""
    paid = paid_part(world, "Datanets")
    newest = _versions(paid, bytes32_parameter(datanet_id, "id"))[-1]
    return _summary(world, newest) | {"contributors": _contributors(world, paid, newest)}


@router.get("/{datanet_id}/versions")
async def list_versions(datanet_id: str, world: TheWorld) -> dict[str, object]:
    """Every version of a Datanet, oldest first."""
    versions = _versions(paid_part(world, "Datanets"), bytes32_parameter(datanet_id, "id"))
    return {"data": [_summary(world, version) for version in versions]}


@router.get("/{datanet_id}/versions/{version}")
async def get_version(datanet_id: str, version: int, world: TheWorld) -> dict[str, object]:
    """One version of a Datanet, with its contributors and their weights. Old versions stay, because they still earn."""
    paid = paid_part(world, "Datanets")
    found = [each for each in _versions(paid, bytes32_parameter(datanet_id, "id")) if each.version == version]
    if not found:
        raise NotFound(f"version {version} of Datanet {datanet_id}")
    return _summary(world, found[0]) | {"contributors": _contributors(world, paid, found[0])}


def _versions(paid: Paid, datanet_id: Bytes32) -> list[DatanetPublished]:
    versions = [version for version in paid.registrations.datanets() if version.datanet_id == datanet_id]
    if not versions:
        raise NotFound(f"Datanet 0x{datanet_id.hex()}")
    return sorted(versions, key=lambda version: version.version)


def _summary(world: World, datanet: DatanetPublished) -> dict[str, object]:
    return {
        "datanetId": "0x" + datanet.datanet_id.hex(),
        "label": world.labels.of(Payee.of_datanet(datanet.datanet_id, datanet.version)),
        "version": datanet.version,
        "contentRoot": "0x" + datanet.content_root.hex(),
        "contributorsRoot": "0x" + datanet.contributors_root.hex(),
        "totalWeight": str(datanet.total_weight),
        "contributorCount": datanet.contributor_count,
        "publishedAt": rfc3339(datanet.published_at),
    }


def _contributors(world: World, paid: Paid, datanet: DatanetPublished) -> list[dict[str, object]] | None:
    """The contributors; None if this node lacks the list or it does not match the registered root."""
    try:
        members = paid.settlement.datanets.contributors(datanet.datanet_id, datanet.version, paid.registrations).members
    except (ContributorsUnknown, ContributorsForged):
        return None
    return [
        {"address": member.address, "label": world.labels.of_address(member.address), "weight": str(member.weight)}
        for member in members
    ]
