"""GET /v1/models: what this node serves, with each model's parent, root and residency."""

from fastapi import APIRouter

from node.world import TheWorld, World
from serving.types import ModelCard

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


@router.get("")
async def list_models(world: TheWorld) -> dict[str, object]:
    """Every name that may stand in `model`, the base first."""
    return {"object": "list", "data": [model_json(world, card) for card in world.service.models()]}


@router.get("/{model:path}")
async def get_model(model: str, world: TheWorld) -> dict[str, object]:
    """One model by name, `name@digest` or `base:name`."""
    return model_json(world, world.service.model(model))


def model_json(world: World, card: ModelCard) -> dict[str, object]:
    """OpenAI's model object with vLLM's `root`, `parent` and `max_model_len`, and what only this node tells."""
    base = world.service.base_name
    return {
        "id": card.name,
        "object": "model",
        "created": int(world.started_at),
        "owned_by": "openlora",
        "root": base if card.adapter is None else card.source,
        "parent": None if card.adapter is None else base,
        "max_model_len": world.service.context_tokens,
        "permission": [],
        "digest": world.service.base_digest if card.adapter is None else card.adapter,
        "rank": card.rank,
        "bytes": card.adapter_bytes,
        "residency": card.residency.value,
        "pinned": card.pinned,
    }
