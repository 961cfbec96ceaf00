"""vLLM's two endpoints that load and unload adapters, for the operator only."""

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
    """vLLM's body. lora_path: any source, or as in vLLM an absolute path of a folder on the node's disk.

    load_inplace: whether the name may be served already; it then means the new version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)
    lora_path: str = Field(min_length=1, max_length=4096)
    load_inplace: bool = False


class UnloadBody(BaseModel):
    """vLLM's body without `lora_int_id`: this node does not number adapters."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lora_name: str = Field(min_length=1, max_length=200)
    lora_int_id: None = None


@router.post("/load_lora_adapter")
async def load_lora_adapter(request: Request, world: TheWorld) -> PlainTextResponse:
    """Adds an adapter under a name, or replaces it; answers when it was fetched, checked and ingested."""
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
    """Removes all versions of an adapter; answers when its last request has ended and its memory is free."""
    body = parse(UnloadBody, await read_body(request, _MAX_BYTES))
    if not world.service.has(body.lora_name) or body.lora_name == world.service.base_name:
        raise AdapterUnknown(f"The lora adapter '{body.lora_name}' cannot be found.")
    await world.service.remove_adapter(body.lora_name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")
