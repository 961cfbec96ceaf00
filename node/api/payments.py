"""Payment channels over HTTP: open or top up with an x402 deposit, read the state, add a voucher mid-stream."""

import time

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic_core import from_json

from node.api.errors import InvalidBody
from node.api.paid_part import paid_part
from node.api.parameters import address_parameter, bytes32_parameter
from node.api.reading import read_body
from node.payments.channels import PAGE, channel_json
from node.world import TheWorld

router = APIRouter(prefix="/payments/channels", tags=["Payments"])
_MAX_BYTES = 64 << 10


@router.post("", status_code=201)
async def open_channel(request: Request, world: TheWorld) -> JSONResponse:
    """Relay an x402 `deposit` payload; 201 once it is mined. Posting the same payload again is safe.

    503 while the node does not sell.
    """
    paid = paid_part(world, "channels")
    document = await _json(request)
    paid.payments.sales.require()  # a deposit that nothing can be bought with would only wait to be withdrawn
    opened = await paid.payments.channels.open(document, int(time.time()))
    location = f"/payments/channels/0x{opened.channel.channel_id.hex()}"
    body = channel_json(opened.channel) | {"transaction": opened.transaction}
    return JSONResponse(body, 201, {"Location": location})


@router.get("")
async def list_channels(
    world: TheWorld, payer: str, cursor: str | None = None, limit: int = Query(PAGE, ge=1, le=PAGE)
) -> dict[str, object]:
    """A payer's channels, in pages. `cursor` is the id of the last channel of the previous page."""
    paid = paid_part(world, "channels")
    after = bytes32_parameter(cursor, "cursor") if cursor else None
    page = await paid.payments.channels.of_payer(address_parameter(payer, "payer"), after, limit)
    following = "0x" + page[-1].channel_id.hex() if len(page) == limit else None
    return {"data": [channel_json(channel) for channel in page], "next": following}


@router.get("/{channel_id}")
async def get_channel(channel_id: str, world: TheWorld) -> dict[str, object]:
    """A channel's balance, what is charged and reserved, and the amount its vouchers are signed up to."""
    channels = paid_part(world, "channels").payments.channels
    return channel_json(await channels.get(bytes32_parameter(channel_id, "id")))


@router.post("/{channel_id}/voucher")
async def add_voucher(channel_id: str, request: Request, world: TheWorld) -> dict[str, object]:
    """Add capacity with a newer voucher, even while a stream runs."""
    channels = paid_part(world, "channels").payments.channels
    wanted = bytes32_parameter(channel_id, "id")
    channel = await channels.add_voucher(wanted, await _json(request), int(time.time()))
    return channel_json(channel)


async def _json(request: Request) -> object:
    raw = await read_body(request, _MAX_BYTES)
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidBody(None, f"the body is not JSON: {error}") from None
