"""The two HTTP applications of a node: the public one, and the operator's on another port."""

from fastapi import FastAPI

from node.api import adapters, adapters_admin, admin, completions, envelope, health, models, nodes, payments, receipts
from node.version import VERSION
from node.world import World


def create_app(world: World) -> FastAPI:
    """What everybody may ask."""
    app = _app(world, "OpenLoRA node")
    for part in (completions, models, nodes, payments, adapters, receipts, adapters_admin, health):
        app.include_router(part.router)
    return app


def create_admin_app(world: World) -> FastAPI:
    """What only the operator may ask; every verb needs the bearer token."""
    app = _app(world, "OpenLoRA node, operator")
    for part in (admin, adapters_admin, health):
        app.include_router(part.router)
    return app


def _app(world: World, title: str) -> FastAPI:
    # FastAPI's own documentation pages load their scripts from a content network; ours is in api/health
    app = FastAPI(title=title, version=VERSION, docs_url=None, redoc_url=None)
    app.state.world = world
    envelope.install(app, world.metrics)
    return app
