"""What an address has earned through this node, and what it can claim on-chain."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from contracts.crypto import Bytes32
from node.api.listing import pieces
from node.api.paid_part import paid_part
from node.api.parameters import address_parameter
from node.settlement.earnings import Earnings
from node.world import TheWorld, World

router = APIRouter(prefix="/contributors", tags=["Contributors"])
_PAGE = 500


Grouped = Literal["adapter", "datanet"] | None
Bucketed = Literal["day"] | None


@router.get("/{address}/earnings")
async def earnings(
    address: str,
    world: TheWorld,
    *,
    group_by: Grouped = None,
    bucket: Bucketed = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to: AwareDatetime | None = None,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
) -> dict[str, object]:
    """Totals accrued, posted, claimable and claimed, and a paged series of what accrued."""
    earned = await _earnings(world, address, group_by, bucket, (from_, to))
    page = earned.series[cursor : cursor + limit]
    names = await _adapter_names(world, {group.adapter_key for group, _ in page if group.adapter_key is not None})
    rows = [
        group.to_json() | {"adapter": names.get(group.adapter_key), "amount": str(amount)} for group, amount in page
    ]
    following = str(cursor + limit) if cursor + limit < len(earned.series) else None
    asset = paid_part(world, "earnings").payments.receiver.token
    return earned.to_json() | {"asset": asset, "series": rows, "next": following}


@router.get("/{address}/claims")
async def claims(address: str, world: TheWorld) -> dict[str, object]:
    """What can be claimed now, with the proofs that the Settlement contract requires."""
    settlement = paid_part(world, "claims").settlement
    return (await settlement.claims(address_parameter(address, "address"))).to_json()


@router.get("/{address}/export.csv")
async def export(
    address: str,
    world: TheWorld,
    group_by: Grouped = None,
    bucket: Bucketed = None,
) -> Response:
    """The whole series as CSV."""
    earned = await _earnings(world, address, group_by, bucket, (None, None))
    name = f'attachment; filename="earnings-{earned.address}.csv"'
    return Response(earned.to_csv(), media_type="text/csv", headers={"Content-Disposition": name})


async def _earnings(
    world: World, address: str, group_by: Grouped, bucket: Bucketed, span: tuple[datetime | None, datetime | None]
) -> Earnings:
    from_, to = (int(moment.timestamp()) if moment else None for moment in span)
    settlement = paid_part(world, "earnings").settlement
    by = address_parameter(address, "address")
    return await settlement.earnings(by, group_by=group_by, bucket=bucket, from_=from_, to=to)


async def _adapter_names(world: World, keys: set[Bytes32]) -> dict[Bytes32 | None, str]:
    """The served names of the adapters with these keys."""
    key_of = paid_part(world, "earnings").registrations.adapter_key_of
    names: dict[Bytes32 | None, str] = {}
    if keys:
        async for cards in pieces(world):
            keyed = ((key_of(card.adapter), card.name) for card in cards if card.adapter is not None)
            names |= {key: name for key, name in keyed if key in keys}
    return names
