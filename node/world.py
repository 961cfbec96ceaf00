"""The parts of a running node. They are built once and passed to the routes."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from contracts.crypto import Address
from local_chain.deployment import Deployment
from node.chain.registrations import ChainRegistrations
from node.config import Settings
from node.metering.checkout import Checkout
from node.metering.payee_labels import Labels
from node.metering.receipts import Receipts
from node.metering.template_tokens import TemplateTokens
from node.metrics.metrics import Metrics
from node.payments.payments import Payments
from node.readiness import Probe
from node.runs import Runs
from node.settlement.settlement import Settlement
from node.store.database import Database
from serving.service import Service


@dataclass(frozen=True, slots=True)
class Paid:
    """The parts that only a paid node has."""

    payments: Payments
    registrations: ChainRegistrations
    settlement: Settlement
    rpc_url: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class World:
    """A running node. paid: None if it serves without payment."""

    settings: Settings
    service: Service
    checkout: Checkout
    database: Database
    operator: Address
    paid: Paid | None = None
    labels: Labels = field(default_factory=Labels)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    runs: Runs = field(default_factory=Runs)
    template_tokens: TemplateTokens = field(default_factory=TemplateTokens)
    started_at: float = field(default_factory=time.time)
    generated_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def admin_token(self) -> str:
        """What the operator's routes ask for: the configured token, else one that was generated for this start."""
        configured = self.settings.admin_token
        return configured.get_secret_value() if configured else self.generated_token

    @property
    def receipts(self) -> Receipts:
        """Queries on the stored receipts."""
        return Receipts(self.database)


def world_of(request: Request) -> World:
    """The world of the application that serves `request`."""
    world: World = request.app.state.world
    return world


TheWorld = Annotated[World, Depends(world_of)]
"""The type of a route's parameter that receives the node."""
