"""Liveness, readiness, metrics, version, and the API documentation page."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from node.readiness import Check
from node.store.errors import StoreError
from node.version import VERSION
from node.world import TheWorld, World

router = APIRouter(tags=["Health"])
_DOCS_PAGE = Path(__file__).with_name("docs.html")


@router.get("/healthz")
@router.get("/health", include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Liveness: the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(world: TheWorld) -> Response:
    """Readiness: 200 if every check passes, else 503, with the reason of each check."""
    checks = await readiness(world)
    ready = all(check.ok for check in checks.values())
    body = {
        "status": "ready" if ready else "not_ready",
        "checks": {name: {"ok": check.ok, "reason": check.reason} for name, check in checks.items()},
    }
    return JSONResponse(body, 200 if ready else 503, {} if ready else {"Retry-After": "1"})


async def readiness(world: World) -> dict[str, Check]:
    """The checks of readiness by name: accepting, engine, database, and on a paid node those of the chain."""
    draining = world.runs.draining
    checks = {
        "accepting": Check(not draining, "draining" if draining else "takes new requests"),
        "engine": Check(world.service.is_ready, "running" if world.service.is_ready else "has stopped; see the log"),
        "database": await _database(world),
    }
    checks |= {name: await probe() for name, probe in world.probes.items()}
    redact = world.settings.redactor
    return {name: Check(check.ok, redact(check.reason)) for name, check in checks.items()}


async def _database(world: World) -> Check:
    try:
        await world.database.read(lambda session: session.execute(text("SELECT 1")).scalar_one())
    except StoreError as error:
        return Check(False, str(error))
    return Check(True, "answers")


@router.get("/metrics")
async def metrics(world: TheWorld) -> Response:
    """Metrics in Prometheus' exposition format."""
    return Response(world.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
async def version() -> dict[str, str]:
    """This node's version."""
    return {"version": VERSION}


@router.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """A page that shows /openapi.json and loads nothing from other hosts."""
    return HTMLResponse(_DOCS_PAGE.read_text())
