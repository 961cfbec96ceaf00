"""Adapters come and go: vLLM's two endpoints, for the operator only."""

import hmac

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from node.api.bodies import parse
from node.api.reading import read_body
from node.errors import InvalidBody, Unauthorized
from node.world import TheWorld

_MAX_BYTES = 64 << 10


def operator_only(request: Request, world: TheWorld) -> None:
    """Unauthorized unless the bearer token is this node's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), world.admin_token.encode()):
        raise Unauthorized


router = APIRouter(prefix="/v1", tags=["Operator"], dependencies=[Depends(operator_only)])


class LoadBody(BaseModel):
    """As vLLM takes it: `lora_path` is a source."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)
    lora_path: str = Field(min_length=1, max_length=4096)


class UnloadBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)


@router.post("/load_lora_adapter")
async def load_lora_adapter(request: Request, world: TheWorld) -> PlainTextResponse:
    """Add an adapter under a name; it is checked and fetched before this answers."""
    body = parse(LoadBody, await read_body(request, _MAX_BYTES))
    if world.service.has(body.lora_name):
        raise InvalidBody("lora_name", f"{body.lora_name!r} is already served; unload it first")
    await world.service.add_adapter(body.lora_name, body.lora_path)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")


@router.post("/unload_lora_adapter")
async def unload_lora_adapter(request: Request, world: TheWorld) -> PlainTextResponse:
    """Remove an adapter. It takes no new requests, and leaves when the running ones have ended."""
    body = parse(UnloadBody, await read_body(request, _MAX_BYTES))
    await world.service.remove_adapter(body.lora_name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")
