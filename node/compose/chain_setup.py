"""The chain of a paid node: its endpoint, its contracts, and the operator's key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from contracts.crypto import Address, PrivateKey, to_address
from local_chain.deployment import Deployment
from local_chain.errors import LocalChainError
from local_chain.launcher import RunningChain, start_chain
from node.chain.contracts import Contract
from node.chain.rpc import RpcClient
from node.config import Problem, Settings, SettingsError
from node.home.deployment_file import deployment_path, read_deployment
from node.home.dev_accounts import dev_account
from node.home.keystore import Keystores
from node.readiness import Progress

SETTLEMENT_GAS = 300_000
"""About what posting, claiming one channel and sweeping cost together."""


class NodeNotRegistered(Exception):
    """The operator has no vault for the token on this chain."""

    def __init__(self, operator: Address, chain_id: int) -> None:
        super().__init__(f"{operator} has no registered node on chain {chain_id}. Call NodeRegistry.register first.")


class OperatorUnfunded(Exception):
    """The operator cannot pay the gas of one settlement, so the node could neither accept deposits nor settle."""

    def __init__(self, operator: Address, held: int, needed: int) -> None:
        super().__init__(
            f"The operator {operator} holds {held} wei, and one settlement costs {needed}. Send it coin for gas."
        )


@dataclass(frozen=True, slots=True)
class ChainSetup:
    """A chain's JSON-RPC URL, the contracts' addresses, and the operator's key."""

    rpc_url: str
    deployment: Deployment
    operator: PrivateKey


@asynccontextmanager
async def dev_chain(settings: Settings, progress: Progress) -> AsyncIterator["asyncio.Task[ChainSetup]"]:
    """A local chain, as a task that is done when the chain answers, so that the model can load meanwhile.

    The chain is stopped when the block ends.
    """
    home = settings.home / "chain"
    starting = asyncio.create_task(
        asyncio.to_thread(start_chain, home, settings.chain_engine, settings.chain_port, progress)
    )
    try:
        yield asyncio.create_task(_started(starting))
    finally:
        with suppress(LocalChainError):  # the task that waited for the chain raised it
            await asyncio.to_thread((await starting).stop)


async def _started(starting: "asyncio.Task[RunningChain]") -> ChainSetup:
    chain = await asyncio.shield(starting)
    operator = dev_account("operator")
    assert operator is not None, "it is one of the named accounts"
    return ChainSetup(chain.rpc_url, chain.deployment, operator)


async def configured_chain(settings: Settings) -> ChainSetup:
    """The chain of `--chain-rpc`. Raises SettingsError for a missing setting or file, and KeystoreError."""
    path = deployment_path(settings.home, settings.deployment)
    try:
        deployment = read_deployment(path)
    except (OSError, ValueError) as error:
        fix = "set it to a JSON file with the contracts' addresses on that chain"
        raise SettingsError([Problem("deployment", str(path), str(error), fix)]) from error
    if settings.operator_password is None:
        fix = "set OPENLORA_OPERATOR_PASSWORD_FILE to a file that holds it"
        message = f"the account {settings.operator_account!r} needs its password"
        raise SettingsError([Problem("operator_password", "default", message, fix)])
    password = settings.operator_password.get_secret_value()
    stores = Keystores.of_home(settings.home)
    operator = await asyncio.to_thread(stores.unlock, settings.operator_account, password)
    assert settings.chain_rpc is not None, "start_settings requires it in this mode"
    return ChainSetup(settings.chain_rpc, deployment, operator)


async def registered_node(chain: ChainSetup) -> Address:
    """The vault of the operator's registered node.

    Raises NodeNotRegistered, OperatorUnfunded if the operator cannot pay one settlement's gas, or ChainError.
    """
    client = await RpcClient.connect(chain.rpc_url, chain.deployment.chain_id)
    operator, deployment = chain.operator.address, chain.deployment
    registry = Contract(client, "NodeRegistry", deployment.node_registry)
    node = to_address((await registry.read("vaultOf", operator, deployment.open_token, 0))[0])
    if not (await registry.read("isNode", node))[0]:
        raise NodeNotRegistered(operator, deployment.chain_id)
    needed = SETTLEMENT_GAS * ((await client.head()).base_fee + await client.tip_fee())
    if (held := await client.funds(operator)) < needed:
        raise OperatorUnfunded(operator, held, needed)
    return node
