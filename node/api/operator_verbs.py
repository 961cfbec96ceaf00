"""The operator's verbs, on the admin listener only: adapters, what is in memory, readiness, draining."""

import time
from dataclasses import asdict

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from node.api.auth import operator_only
from node.api.bodies import parse
from node.api.errors import InvalidBody
from node.api.health import readiness
from node.api.models import model_json
from node.api.reading import read_body
from node.api.timestamps import rfc3339
from node.config import named_source
from node.world import TheWorld, World
from serving.types import AdapterDigest, ModelCard

router = APIRouter(prefix="/admin", tags=["Operator"], dependencies=[Depends(operator_only)])
_MAX_BYTES = 64 << 10
_OTHERS = 50
"""Adapters in `ps` that lie idle on disk: those that were asked for last."""
_DIGEST = r"^[0-9a-f]{64}$"


class NewAdapter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str = Field(min_length=1, max_length=4096)
    name: str | None = Field(None, min_length=1, max_length=200)
    digest: str | None = Field(None, pattern=_DIGEST)


@router.get("/status")
async def status(world: TheWorld) -> dict[str, object]:
    """Readiness, check by check, how much is in flight, and how many adapters there are."""
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
    """What is in memory, pinned or in flight, what was asked for last beside it, and the engine's figures."""
    models = [_line(world, card) for card in world.service.busy(_OTHERS)]
    return {"models": models, "engine": asdict(world.service.stats())}


@router.post("/adapters")
async def add(request: Request, world: TheWorld) -> dict[str, object]:
    """Fetch, check and serve an adapter; a name that is taken is refused."""
    body = parse(NewAdapter, await read_body(request, _MAX_BYTES))
    name = body.name or named_source(body.source)[0]
    if world.service.has(name):
        raise InvalidBody("name", f"{name!r} is already served; remove it first, or give another name")
    expected = AdapterDigest(body.digest) if body.digest else None
    card = await world.service.add_adapter(name, body.source, expected)
    return {"name": card.name, **model_json(world, card)}


@router.delete("/adapters/{name}")
async def remove(name: str, world: TheWorld) -> dict[str, object]:
    """Stop serving an adapter; answers when its last request has ended and its memory is free."""
    await world.service.remove_adapter(name)
    return {"name": name}


@router.post("/adapters/{name}/pin")
async def pin(name: str, world: TheWorld) -> dict[str, object]:
    await world.service.pin(name)
    return _shown(world, name)


@router.post("/adapters/{name}/unpin")
async def unpin(name: str, world: TheWorld) -> dict[str, object]:
    await world.service.unpin(name)
    return _shown(world, name)


@router.post("/adapters/{name}/evict")
async def evict(name: str, world: TheWorld) -> dict[str, object]:
    await world.service.evict(name)
    return _shown(world, name)


def _line(world: World, card: ModelCard) -> dict[str, object]:
    last_used = None if card.last_used_at is None else rfc3339(int(card.last_used_at))
    used = {"in_flight": card.in_flight, "hits": card.hits, "last_used": last_used}
    return model_json(world, card) | used


def _shown(world: World, name: str) -> dict[str, object]:
    card = world.service.model(name)
    return {"name": card.name, **model_json(world, card)}
