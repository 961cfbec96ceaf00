"""The two HTTP applications of a node: the public API, and the operator's API on the admin listener."""

from typing import Any

from fastapi import FastAPI

from node.api import (
    adapters,
    batches,
    chain,
    completions,
    contributors,
    datanets,
    discovery,
    envelope,
    health,
    models,
    nodes,
    operator_verbs,
    payments,
    receipts,
    settlement,
    vllm_adapters,
)
from node.api.body_memory import BodyMemory, BoundedBodies
from node.api.cross_origin import CrossOrigin
from node.api.openapi.document import openapi_document
from node.api.rebuilds import Rebuilds
from node.api.replays import Replays
from node.api.web_methods import WebMethods
from node.version import VERSION
from node.world import World

_PUBLIC = (
    completions,
    models,
    nodes,
    payments,
    adapters,
    datanets,
    receipts,
    batches,
    contributors,
    vllm_adapters,
    discovery,
    health,
)
_OPERATOR = (operator_verbs, settlement, chain, vllm_adapters, health)


class NodeApp(FastAPI):
    """A FastAPI application whose `/openapi.json` says what its routes answer."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; built once."""
        if self.openapi_schema is None:
            world: World = self.state.world
            self.openapi_schema = openapi_document(super().openapi(), paid=world.paid is not None)
        return self.openapi_schema


def create_app(world: World) -> FastAPI:
    """The public API."""
    app = _app(world, "OpenLoRA node")
    for part in _PUBLIC:
        app.include_router(part.router)
    app.add_middleware(CrossOrigin, origins=world.settings.cors_origins)
    return app


def create_admin_app(world: World) -> FastAPI:
    """The operator's API. All its routes but those of health need the admin token."""
    app = _app(world, "OpenLoRA node, operator")
    for part in _OPERATOR:
        app.include_router(part.router)
    return app


def _app(world: World, title: str) -> FastAPI:
    # FastAPI's documentation pages load scripts from a CDN; ours, in health.py, loads nothing from other hosts
    app = NodeApp(title=title, version=VERSION, docs_url=None, redoc_url=None)
    app.state.world = world
    app.state.rebuilds = Rebuilds(world.settings.max_batch_builds)
    app.state.replays = Replays()
    app.add_middleware(BoundedBodies, memory=BodyMemory(world.settings.max_bodies_bytes))
    app.add_middleware(WebMethods)
    envelope.install(app, world.metrics)
    return app
