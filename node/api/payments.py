"""Channels over HTTP: open or top up with an x402 deposit, look at the state, add a voucher mid-stream."""

import time

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic_core import from_json

from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import StructError, parse_bytes32
from node.api.errors import InvalidBody
from node.api.nodes import paid_side
from node.api.reading import read_body
from node.payments.channels import PAGE, channel_json
from node.world import TheWorld

router = APIRouter(prefix="/payments/channels", tags=["Payments"])
_MAX_BYTES = 64 << 10


@router.post("", status_code=201)
async def open_channel(request: Request, world: TheWorld) -> JSONResponse:
    """Relay an x402 `deposit` payload; 201 once it is mined. The same payload may be posted again at any time."""
    paid = paid_side(world, "channels")
    document = await _json(request)
    opened = await paid.payments.channels.open(document, int(time.time()))
    location = f"/payments/channels/0x{opened.channel.channel_id.hex()}"
    body = channel_json(opened.channel) | {"transaction": opened.transaction}
    return JSONResponse(body, 201, {"Location": location})


@router.get("")
async def list_channels(
    world: TheWorld, payer: str, cursor: str | None = None, limit: int = Query(PAGE, ge=1, le=PAGE)
) -> dict[str, object]:
    """A payer's channels, in pages."""
    paid = paid_side(world, "channels")
    after = channel_id_of(cursor, "cursor") if cursor else None
    found = await paid.payments.channels.of_payer(address_of(payer, "payer"), after, limit)
    following = "0x" + found[-1].channel_id.hex() if len(found) == limit else None
    return {"data": [channel_json(channel) for channel in found], "next": following}


@router.get("/{channel_id}")
async def get_channel(channel_id: str, world: TheWorld) -> dict[str, object]:
    """A channel's balance, what is charged and reserved, and up to where vouchers are signed."""
    channels = paid_side(world, "channels").payments.channels
    return channel_json(await channels.get(channel_id_of(channel_id, "id")))


@router.post("/{channel_id}/voucher")
async def add_voucher(channel_id: str, request: Request, world: TheWorld) -> dict[str, object]:
    """More capacity: a newer voucher for the channel, also while a stream runs."""
    channels = paid_side(world, "channels").payments.channels
    wanted = channel_id_of(channel_id, "id")
    channel = await channels.add_voucher(wanted, await _json(request), int(time.time()))
    return channel_json(channel)


async def _json(request: Request) -> object:
    raw = await read_body(request, _MAX_BYTES)
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidBody(None, f"the body is not JSON: {error}") from None


def channel_id_of(text: str, param: str) -> Bytes32:
    """32 bytes from hex; InvalidBody names the parameter otherwise."""
    try:
        return parse_bytes32(text)
    except StructError as error:
        raise InvalidBody(param, str(error)) from None


def address_of(text: str, param: str) -> Address:
    """An address from hex; InvalidBody names the parameter otherwise."""
    try:
        return to_address(text)
    except ValueError as error:
        raise InvalidBody(param, str(error)) from None
