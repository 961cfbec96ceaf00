"""Adapters come and go: vLLM's two endpoints, for the operator only."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from node.api.auth import operator_only
from node.api.bodies import parse
from node.api.errors import AdapterNameTaken, AdapterUnknown
from node.api.reading import read_body
from node.world import TheWorld
from serving.errors import NameTaken

_MAX_BYTES = 64 << 10


router = APIRouter(prefix="/v1", tags=["Operator"], dependencies=[Depends(operator_only)])


class LoadBody(BaseModel):
    """As vLLM takes it: lora_path is a source, or a folder on the node's disk from "/" on, as for vLLM.

    load_inplace lets a name that is served mean something else from now on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)
    lora_path: str = Field(min_length=1, max_length=4096)
    load_inplace: bool = False


class UnloadBody(BaseModel):
    """As vLLM takes it, but for its number of an adapter, which would be another name for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)
    lora_int_id: None = None


@router.post("/load_lora_adapter")
async def load_lora_adapter(request: Request, world: TheWorld) -> PlainTextResponse:
    """Add an adapter under a name; it is checked and fetched before this answers."""
    body = parse(LoadBody, await read_body(request, _MAX_BYTES))
    name = body.lora_name
    if name == world.service.base_name:
        raise AdapterNameTaken(f"The lora adapter name '{name}' is the name of the base model.")
    source = f"file:{body.lora_path}" if body.lora_path.startswith("/") else body.lora_path
    try:
        await world.service.add_adapter(name, source, replace=body.load_inplace)
    except NameTaken as taken:
        raise AdapterNameTaken(
            f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set "
            "'load_inplace' to True."
        ) from taken
    return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")


@router.post("/unload_lora_adapter")
async def unload_lora_adapter(request: Request, world: TheWorld) -> PlainTextResponse:
    """Remove an adapter. It takes no new requests, and leaves when the running ones have ended."""
    body = parse(UnloadBody, await read_body(request, _MAX_BYTES))
    if not world.service.has(body.lora_name) or body.lora_name == world.service.base_name:
        raise AdapterUnknown(f"The lora adapter '{body.lora_name}' cannot be found.")
    await world.service.remove_adapter(body.lora_name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")
