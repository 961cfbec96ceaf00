"""A node without chain or payment: everybody on this machine is served, receipts are signed and cost nothing."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from contracts.crypto import ZERO_BYTES32, Bytes32, PrivateKey
from contracts.encoding import adapter_key
from node.compose.engine import running_service
from node.config import Settings
from node.metering.checkout import Ask, Call, Receipt, Ticket
from node.metering.free import FreeMetering
from node.readiness import Progress
from node.store.database import Database
from node.world import World
from serving.types import BaseDigest, End, Prepared


class FreeCheckout:
    """Lets everybody in; callers share the engine fairly by their network address."""

    def __init__(self, metering: FreeMetering, base_digest: BaseDigest) -> None:
        self._metering, self._base_digest = metering, base_digest

    async def authenticate(self, call: Call, model: str, max_new_tokens: int | None, choices: int) -> Ask:
        return Ask(call, tenant=call.client)

    async def admit(self, ask: Ask, request_id: str, prepared: Prepared) -> Ticket:
        return Ticket(request_id, prepared, ask.tenant, prepared.max_new_tokens, started_at=int(time.time()))

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        issued = await self._metering.record(
            ticket.request_id,
            self._adapter_key(ticket.prepared),
            end,
            prompt=prompt,
            output=output,
            started_at=ticket.started_at,
            now=int(time.time()),
        )
        return Receipt(issued.to_json())

    async def release(self, ticket: Ticket) -> None:
        """Nothing was reserved."""

    def _adapter_key(self, prepared: Prepared) -> Bytes32:
        """Nothing is registered without a chain, so adapters have the id and version 0."""
        if prepared.adapter is None:
            return ZERO_BYTES32
        return adapter_key(ZERO_BYTES32, 0, bytes.fromhex(prepared.adapter), bytes.fromhex(self._base_digest))


@asynccontextmanager
async def free_world(settings: Settings, progress: Progress) -> AsyncIterator[World]:
    """The world of `start --free`."""
    async with AsyncExitStack() as stack:
        operator = _operator_key(settings.home / "free-operator.key")
        database = await Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        service = await stack.enter_async_context(running_service(settings, progress))
        checkout = FreeCheckout(FreeMetering(database, operator, settings.free_receipts), service.base_digest)
        yield World(settings, service, checkout, database, operator.address)


def _operator_key(path: Path) -> PrivateKey:
    """The key that signs this home's free receipts, made at the first start. It holds no money anywhere."""
    if path.exists():
        return PrivateKey(bytes.fromhex(path.read_text()))
    key = PrivateKey.generate()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.secret.hex())
    return key
