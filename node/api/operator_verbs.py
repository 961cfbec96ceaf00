"""The operator's verbs, on the admin listener only: readiness, models in memory, adapters."""

import time
from dataclasses import asdict

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from contracts.encoding import rfc3339
from node.api.auth import operator_only
from node.api.bodies import parse
from node.api.health import readiness
from node.api.models import model_json
from node.api.reading import read_body
from node.config import named_source
from node.world import TheWorld, World
from serving.errors import NameTaken
from serving.types import AdapterDigest, ModelCard

router = APIRouter(prefix="/admin", tags=["Operator"], dependencies=[Depends(operator_only)])
_MAX_BYTES = 64 << 10
_OTHERS = 50
"""How many idle adapters `ps` lists, the most recently used, and how many that could not be loaded."""
_DIGEST = r"^[0-9a-f]{64}$"


class NewAdapter(BaseModel):
    """An adapter to add. name: None takes the source's own. digest: refuse any other adapter version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str = Field(min_length=1, max_length=4096)
    name: str | None = Field(None, min_length=1, max_length=200)
    digest: str | None = Field(None, pattern=_DIGEST)


@router.get("/status")
async def status(world: TheWorld) -> dict[str, object]:
    """Each readiness check, requests in flight, uptime, and the number of adapters."""
    activity = world.service.activity()
    checks = await readiness(world)
    return {
        "ready": all(check.ok for check in checks.values()),
        "checks": {name: asdict(check) for name, check in checks.items()},
        "requests": len(world.runs),
        "uptime_s": round(time.time() - world.started_at),
        "adapters": {"registered": activity.registered, "in_memory": len(activity.resident)},
    }


@router.get("/ps")
async def ps(world: TheWorld) -> dict[str, object]:
    """Models in memory, pinned, in flight or used last; adapters that could not be loaded; engine figures."""
    models = [_line(world, card) for card in world.service.busy(_OTHERS)]
    shown = world.service.failed_loads()[:_OTHERS]
    failed = [asdict(each) | {"served": world.service.has(each.name)} for each in shown]
    return {"models": models, "failed": failed, "engine": asdict(world.service.stats())}


@router.post("/adapters")
async def add(request: Request, world: TheWorld) -> dict[str, object]:
    """Fetches, checks and serves an adapter; a name in use is refused."""
    body = parse(NewAdapter, await read_body(request, _MAX_BYTES))
    name = body.name or named_source(body.source)[0]
    if name == world.service.base_name:
        raise NameTaken(name, "is the name of the base model")
    expected = AdapterDigest(body.digest) if body.digest else None
    return _shown(world, await world.service.add_adapter(name, body.source, expected, replace=False))


@router.delete("/adapters/{name:path}")
async def remove(name: str, world: TheWorld) -> dict[str, object]:
    """Removes all versions of an adapter; answers when its last request has ended and its memory is free."""
    await world.service.remove_adapter(name)
    return {"name": name}


@router.post("/adapters/{name:path}/pin")
async def pin(name: str, world: TheWorld) -> dict[str, object]:
    """Keeps a version on the device, and loads it if needed. name: also `name@digest`."""
    return _shown(world, await world.service.pin(name))


@router.post("/adapters/{name:path}/unpin")
async def unpin(name: str, world: TheWorld) -> dict[str, object]:
    """Lets a version be evicted again. name: also `name@digest`."""
    return _shown(world, await world.service.unpin(name))


@router.post("/adapters/{name:path}/evict")
async def evict(name: str, world: TheWorld) -> dict[str, object]:
    """Frees the device memory of an idle version. name: also `name@digest`."""
    return _shown(world, await world.service.evict(name))


def _line(world: World, card: ModelCard) -> dict[str, object]:
    last_used = None if card.last_used_at is None else rfc3339(int(card.last_used_at))
    used = {"in_flight": card.in_flight, "hits": card.hits, "last_used": last_used}
    return model_json(world, card) | used


def _shown(world: World, card: ModelCard) -> dict[str, object]:
    return {"name": card.name, **model_json(world, card)}
