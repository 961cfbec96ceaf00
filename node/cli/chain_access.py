"""The caller's own way to the chain: never the word of the node that is asked about."""

import json
from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.failures import ConfigurationFailure
from node.home.folder import DEPLOYMENT, Running

if TYPE_CHECKING:
    from local_chain.deployment import Deployment
    from node.chain.rpc import RpcClient


async def connect(context: Context) -> "tuple[RpcClient, Deployment]":
    """A client of the configured chain, else of the one that runs in this home, and where the contracts stand."""
    from local_chain.deployment import Deployment
    from node.chain.rpc import RpcClient

    settings = context.settings()
    running = Running.read(settings.home)
    rpc_url = settings.chain_rpc or (running.chain_url if running else None)
    path = settings.deployment or settings.home / DEPLOYMENT
    if rpc_url is None:
        raise ConfigurationFailure("No chain is known.", "give --chain-rpc, or start the node of this home first")
    try:
        deployment = Deployment.from_json(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ConfigurationFailure(
            f"{path}: {error}", "name a file with the contracts' addresses: --deployment"
        ) from error
    return await RpcClient.connect(rpc_url, deployment.chain_id), deployment
