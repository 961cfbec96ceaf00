"""A node without chain or payment. It serves every caller; its receipts are signed and charge nothing."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from contracts.crypto import Bytes32, PrivateKey
from contracts.encoding import BASE_KEY, unregistered_key
from node.compose.engine import running_service
from node.config import Settings
from node.metering.checkout import Caller, HttpCall, Receipt, Ticket
from node.metering.free import FreeMetering
from node.payments.bounds import Bounds
from node.readiness import Progress
from node.store.database import Database
from node.world import World
from serving.types import AdapterDigest, BaseDigest, End, Prepared


class FreeCheckout:
    """Admits every call. Callers share the engine fairly by network address."""

    def __init__(self, metering: FreeMetering, base_digest: BaseDigest) -> None:
        self._metering, self._base_digest = metering, base_digest

    async def authenticate(self, call: HttpCall, adapter: AdapterDigest | None, bounds: Bounds) -> Caller:
        """Nobody has to sign."""
        return Caller(call.client, call, bounds)

    async def admit(self, caller: Caller, request_id: str, prepared: Prepared) -> Ticket:
        """Grants all the tokens that the request asks for."""
        return Ticket(request_id, prepared, caller.tenant, prepared.max_new_tokens, started_at=int(time.time()))

    async def announce(self, ticket: Ticket) -> Mapping[str, str] | None:
        """Nothing is charged, so there is nothing to announce."""
        return {}

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        """A signed receipt that charges nothing."""
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
        """The adapter key with id and version 0: without a chain, no adapter is registered."""
        if prepared.adapter is None:
            return BASE_KEY
        return unregistered_key(bytes.fromhex(prepared.adapter), bytes.fromhex(self._base_digest))


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
    """The key that signs the free receipts of this home; the first start generates it. It holds no money anywhere."""
    if path.exists():
        return PrivateKey(bytes.fromhex(path.read_text()))
    key = PrivateKey.generate()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.secret.hex())
    return key
