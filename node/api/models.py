"""GET /v1/models: the models that this node serves, each with its parent, root, prices and residency."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Response

from contracts.structs import PriceList
from node.api.listing import listed
from node.world import TheWorld, World
from serving.types import ModelCard

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int | None, Query(ge=1, le=1000)]


@router.get("")
async def list_models(world: TheWorld, cursor: Cursor = None, limit: Limit = None) -> Response:
    """Every name that `model` may have, the base first; with `limit`, one page of adapters after `cursor`."""
    return listed(world, {"object": "list"}, lambda card: model_json(world, card), cursor, limit, base=True)


@router.get("/{model:path}")
async def get_model(model: str, world: TheWorld) -> dict[str, object]:
    """One model by name, `name@digest` or `base:name`."""
    return model_json(world, world.service.model(model))


def model_json(world: World, card: ModelCard) -> dict[str, object]:
    """OpenAI's model object with vLLM's `root`, `parent` and `max_model_len`, and this node's own members."""
    base = world.service.base_name
    return {
        "id": card.name,
        "object": "model",
        "created": int(world.started_at),
        "owned_by": "openlora",
        "root": base if card.adapter is None else _public(card.source),
        "parent": None if card.adapter is None else base,
        "max_model_len": world.service.context_tokens,
        "permission": [],
        "digest": world.service.base_digest if card.adapter is None else card.adapter,
        "rank": card.rank,
        "bytes": card.adapter_bytes,
        "residency": card.residency.value,
        "pinned": card.pinned,
        "prices": _prices(world, card),
    }


def _public(source: str) -> str:
    """The adapter's source. Of a local folder only its name, so that strangers do not learn the operator's paths."""
    scheme, _, place = source.partition(":")
    return f"file:{place.rstrip('/').rpartition('/')[2]}" if scheme == "file" else source


def _prices(world: World, card: ModelCard) -> dict[str, str] | None:
    """Base units per million tokens by the registered price list; None where nothing is sold."""
    if world.paid is None:
        return None
    registrations = world.paid.registrations
    key = registrations.adapter_key_of(card.adapter)
    registered = registrations.price_list_at(key, max(int(time.time()), registrations.head_time()))
    return prices_json(registered.value) if registered else None


def prices_json(prices: PriceList) -> dict[str, str]:
    """A price list in base units, as decimal strings."""
    return {
        "promptPerM": str(prices.prompt_per_m),
        "cachedPerM": str(prices.cached_per_m),
        "outputPerM": str(prices.output_per_m),
        "minFee": str(prices.min_fee),
    }
