"""Where a paid node stands: a chain with the contracts on it, and the key that signs for the node there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from contracts.crypto import PrivateKey
from local_chain.accounts import dev_accounts
from local_chain.deployment import Deployment
from local_chain.errors import LocalChainError
from local_chain.launcher import RunningChain, start_chain
from node.compose.engine import Progress
from node.config import Settings

_OPERATOR = 1


@dataclass(frozen=True, slots=True)
class Ground:
    """A chain that answers, its contracts, and the operator's key."""

    rpc_url: str
    deployment: Deployment
    operator: PrivateKey


@asynccontextmanager
async def dev_ground(settings: Settings, progress: Progress) -> AsyncIterator["asyncio.Task[Ground]"]:
    """A chain of our own, given while it still comes up so that the model loads meanwhile; it ends with the block."""
    home = settings.home / "chain"
    starting = asyncio.create_task(
        asyncio.to_thread(start_chain, home, settings.chain_engine, settings.chain_port, progress)
    )
    try:
        yield asyncio.create_task(_risen(starting))
    finally:
        with suppress(LocalChainError):  # whoever waited for it was told
            await asyncio.to_thread((await starting).stop)


async def _risen(starting: "asyncio.Task[RunningChain]") -> Ground:
    chain = await asyncio.shield(starting)
    return Ground(chain.rpc_url, chain.deployment, dev_accounts()[_OPERATOR])
