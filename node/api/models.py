"""GET /v1/models: the models that this node serves, each with its parent, root, prices and residency."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Response

from contracts.structs import PriceList
from node.api.listing import listed
from node.world import TheWorld, World
from serving.types import ModelCard

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


ASSET_DECIMALS = 18
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
    """OpenAI's model object with the members of vLLM and OpenRouter (`context_length`, `pricing`), and our own."""
    base = world.service.base_name
    prices = _price_list(world, card)
    return {
        "id": card.name,
        "object": "model",
        "created": int(world.started_at),
        "owned_by": "openlora",
        "root": base if card.adapter is None else _public(card.source),
        "parent": None if card.adapter is None else base,
        "max_model_len": world.service.context_tokens,
        "context_length": world.service.context_tokens,
        "permission": [],
        "digest": world.service.base_digest if card.adapter is None else card.adapter,
        "rank": card.rank,
        "bytes": card.adapter_bytes,
        "residency": card.residency.value,
        "pinned": card.pinned,
        "prices": prices_json(prices) if prices else None,
        "pricing": rates_json(prices) if prices else None,
    }


def _public(source: str) -> str:
    """The adapter's source. Of a local folder only its name, so that strangers do not learn the operator's paths."""
    scheme, _, place = source.partition(":")
    return f"file:{place.rstrip('/').rpartition('/')[2]}" if scheme == "file" else source


def _price_list(world: World, card: ModelCard) -> PriceList | None:
    """The registered price list of a model; None where nothing is sold."""
    if world.paid is None:
        return None
    registrations = world.paid.registrations
    key = registrations.adapter_key_of(card.adapter)
    registered = registrations.price_list_at(key, max(int(time.time()), registrations.head_time()))
    return registered.value if registered else None


def prices_json(prices: PriceList) -> dict[str, str]:
    """A price list in base units, as decimal strings."""
    return {
        "promptPerM": str(prices.prompt_per_m),
        "cachedPerM": str(prices.cached_per_m),
        "outputPerM": str(prices.output_per_m),
        "minFee": str(prices.min_fee),
    }


def rates_json(prices: PriceList) -> dict[str, str]:
    """A price list as OpenRouter writes it: per token and per request, in whole tokens of the asset (18 decimals).

    The amounts are exact decimal strings without an exponent. `request` is the least fee of a request.
    """
    per_token = {
        "prompt": prices.prompt_per_m,
        "completion": prices.output_per_m,
        "input_cache_read": prices.cached_per_m,
    }
    rates = {name: _decimal(amount, ASSET_DECIMALS + 6) for name, amount in per_token.items()}
    return rates | {"request": _decimal(prices.min_fee, ASSET_DECIMALS), "image": "0"}


def _decimal(amount: int, places: int) -> str:
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
