"""The caller's own connection to the chain, which does not depend on the answers of any node."""

from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.failures import ConfigurationFailure
from node.home.run_file import Running

if TYPE_CHECKING:
    from local_chain.deployment import Deployment
    from node.chain.rpc import RpcClient


async def connect(context: Context) -> "tuple[RpcClient, Deployment]":
    """A client of the configured chain, else of the chain that runs in this home, and the contracts' addresses.

    Raises ConfigurationFailure if no chain or no file of addresses is configured, and ChainError.
    """
    from node.chain.genesis import check_genesis
    from node.chain.rpc import RpcClient
    from node.home.deployment_file import deployment_path, read_deployment

    settings = context.settings()
    running = Running.read(settings.home)
    rpc_url = settings.chain_rpc or (running.chain_url if running else None)
    path = deployment_path(settings.home, settings.deployment)
    if rpc_url is None:
        fix = "set OPENLORA_CHAIN_RPC, or start the node of this home first"
        raise ConfigurationFailure("No chain is configured.", fix)
    try:
        deployment = read_deployment(path)
    except (OSError, ValueError) as error:
        fix = "set OPENLORA_DEPLOYMENT to a JSON file with the contracts' addresses"
        raise ConfigurationFailure(f"{path}: {error}", fix) from error
    client = await RpcClient.connect(rpc_url, deployment.chain_id)
    await check_genesis(client, deployment.genesis_hash)
    return client, deployment
