"""Datanets as the chain has them, with the contributors this node knows."""

from itertools import groupby

from fastapi import APIRouter

from attribution.split import Payee
from contracts.crypto import Bytes32
from node.api.errors import NotFound
from node.api.nodes import paid_side, rfc3339
from node.api.payments import channel_id_of
from node.chain.events import DatanetPublished
from node.settlement.errors import ContributorsForged, ContributorsUnknown
from node.world import Paid, TheWorld, World

router = APIRouter(prefix="/datanets", tags=["Datanets"])


@router.get("")
async def list_datanets(world: TheWorld) -> dict[str, object]:
    """Every registered Datanet with its newest version."""
    found = sorted(paid_side(world, "Datanets").registrations.datanets(), key=lambda one: (one.datanet_id, one.version))
    newest = [list(versions)[-1] for _, versions in groupby(found, key=lambda one: one.datanet_id)]
    return {"data": [_summary(world, one) for one in newest]}


@router.get("/{datanet_id}")
async def get_datanet(datanet_id: str, world: TheWorld) -> dict[str, object]:
    """The newest version with its contributors and their weights."""
    paid = paid_side(world, "Datanets")
    newest = _versions(paid, channel_id_of(datanet_id, "id"))[-1]
    return _summary(world, newest) | {"contributors": _contributors(world, paid, newest)}


@router.get("/{datanet_id}/versions")
async def list_versions(datanet_id: str, world: TheWorld) -> dict[str, object]:
    """Every version, oldest first."""
    found = _versions(paid_side(world, "Datanets"), channel_id_of(datanet_id, "id"))
    return {"data": [_summary(world, one) for one in found]}


def _versions(paid: Paid, datanet_id: Bytes32) -> list[DatanetPublished]:
    found = [one for one in paid.registrations.datanets() if one.datanet_id == datanet_id]
    if not found:
        raise NotFound(f"Datanet 0x{datanet_id.hex()}")
    return sorted(found, key=lambda one: one.version)


def _summary(world: World, one: DatanetPublished) -> dict[str, object]:
    return {
        "datanetId": "0x" + one.datanet_id.hex(),
        "label": world.labels.of(Payee.of_datanet(one.datanet_id, one.version)),
        "version": one.version,
        "contentRoot": "0x" + one.content_root.hex(),
        "contributorsRoot": "0x" + one.contributors_root.hex(),
        "totalWeight": str(one.total_weight),
        "contributorCount": one.contributor_count,
        "publishedAt": rfc3339(one.published_at),
    }


def _contributors(world: World, paid: Paid, one: DatanetPublished) -> list[dict[str, object]] | None:
    """None where the list is not at hand, or is not the one that is registered."""
    try:
        members = paid.settlement.datanets.contributors(one.datanet_id, one.version, paid.registrations).members
    except (ContributorsUnknown, ContributorsForged):
        return None
    return [
        {"address": member.address, "label": world.labels.of_address(member.address), "weight": str(member.weight)}
        for member in members
    ]
