"""The chain of a paid node: its endpoint, its contracts, and the operator's key."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from contracts.crypto import Address, PrivateKey, to_address
from local_chain.deployment import Deployment
from local_chain.errors import LocalChainError
from local_chain.launcher import RunningChain, start_chain
from node.chain.contracts import Contract, read_many
from node.chain.genesis import check_genesis
from node.chain.rpc import RpcClient
from node.compose.chain_watch import ChainWatch
from node.config import Problem, Settings, SettingsError
from node.home.deployment_file import deployment_path, read_deployment
from node.home.dev_accounts import dev_account
from node.home.keystore import Keystores
from node.readiness import Probe, Progress
from node.settlement.profit_gate import cycle_gas

VAULTS_SEARCHED = 16
"""How many indices are searched for vaults of the operator's key; `vault` names one with any index."""


class NodeNotRegistered(Exception):
    """No registered vault was found for the operator's key."""

    def __init__(self, operator: Address, chain_id: int) -> None:
        super().__init__(
            f"{operator} owns no registered node on chain {chain_id}. Call NodeRegistry.register first; if another "
            "account owns the node, set `vault` to the address of its vault."
        )


class VaultUnusable(Exception):
    """The configured vault is not a node of this chain, or is paid in another token."""

    def __init__(self, vault: Address, problem: str) -> None:
        super().__init__(f"The vault {vault} cannot be served: {problem}. Set `vault` to a registered one.")
        self.vault = vault


class VaultAmbiguous(Exception):
    """The operator owns several vaults, and no setting says which one this node serves."""

    def __init__(self, operator: Address, vaults: Sequence[Address]) -> None:
        super().__init__(f"{operator} owns several vaults: {', '.join(vaults)}. Set `vault` to the one to serve.")
        self.vaults = tuple(vaults)


class OperatorReplaced(Exception):
    """The vault has another operator key now, so nothing that this node signs or posts would be accepted."""

    def __init__(self, vault: Address, registered: Address, given: Address) -> None:
        super().__init__(
            f"The operator key of the vault {vault} is {registered}, but this node has the key of {given}. Start it "
            "with the registered key (`operator_account`), or set `vault` to a vault of this key."
        )
        self.vault, self.registered, self.given = vault, registered, given


class OperatorUnfunded(Exception):
    """The operator cannot pay the gas of one settlement, so the node could neither accept deposits nor settle."""

    def __init__(self, operator: Address, held: int, needed: int) -> None:
        super().__init__(
            f"The operator {operator} holds {held} wei, and one settlement costs {needed}. Send it coin for gas."
        )


@dataclass(frozen=True, slots=True)
class ChainSetup:
    """A chain's JSON-RPC URL, the contracts' addresses, the operator's key, and further checks for /readyz."""

    rpc_url: str
    deployment: Deployment
    operator: PrivateKey
    probes: Mapping[str, Probe] = field(default_factory=dict, compare=False)


@asynccontextmanager
async def dev_chain(settings: Settings, progress: Progress) -> AsyncIterator["asyncio.Task[ChainSetup]"]:
    """A local chain, as a task that is done when the chain answers, so that the model can load meanwhile.

    It is restarted when its process ends, and stopped when the block ends.
    """
    starting = asyncio.create_task(_watched_chain(settings, progress))
    try:
        yield asyncio.create_task(_started(starting))
    finally:
        with suppress(LocalChainError):  # the task that waited for the chain raised it
            watch, watching, _ = await starting
            watch.stop_soon()
            await watching
            await watch.close()


async def _watched_chain(
    settings: Settings, progress: Progress
) -> tuple[ChainWatch, "asyncio.Task[None]", RunningChain]:
    home, engine = settings.home / "chain", settings.chain_engine
    chain = await asyncio.to_thread(start_chain, home, engine, settings.chain_port, progress)
    watch = ChainWatch(chain, lambda port: start_chain(home, engine, port))
    return watch, asyncio.create_task(watch.run(), name="chain-watch"), chain


async def _started(starting: "asyncio.Task[tuple[ChainWatch, asyncio.Task[None], RunningChain]]") -> ChainSetup:
    watch, _, chain = await asyncio.shield(starting)
    operator = dev_account("operator")
    assert operator is not None, "it is one of the named accounts"
    return ChainSetup(chain.rpc_url, chain.deployment, operator, {"chain_process": watch.check})


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


async def registered_node(chain: ChainSetup, vault: Address | None = None) -> Address:
    """The vault that the operator's key serves: the given one, else the only one that this key owns.

    Raises NodeNotRegistered, VaultUnusable, VaultAmbiguous, OperatorReplaced if the vault has another operator key
    now, OperatorUnfunded if the operator cannot pay one settlement's gas, or ChainError.
    """
    client = await RpcClient.connect(chain.rpc_url, chain.deployment.chain_id)
    operator, deployment = chain.operator.address, chain.deployment
    await check_genesis(client, deployment.genesis_hash)
    registry = Contract(client, "NodeRegistry", deployment.node_registry)
    node = vault or await _only_vault(registry, operator, deployment)
    if not (await registry.read("isNode", node))[0]:
        raise VaultUnusable(node, f"it is not registered on chain {deployment.chain_id}")
    if (token := to_address((await registry.read("tokenOf", node))[0])) != deployment.open_token:
        raise VaultUnusable(node, f"it is paid in {token}, and this deployment's token is {deployment.open_token}")
    if (registered := to_address((await registry.read("operatorOf", node))[0])) != operator:
        raise OperatorReplaced(node, registered, operator)
    needed = cycle_gas(channels=1) * ((await client.head()).base_fee + await client.tip_fee())
    if (held := await client.funds(operator)) < needed:
        raise OperatorUnfunded(operator, held, needed)
    return node


async def _only_vault(registry: Contract, owner: Address, deployment: Deployment) -> Address:
    vaults = await _vaults_of(registry, owner, deployment.open_token)
    if not vaults:
        raise NodeNotRegistered(owner, deployment.chain_id)
    if len(vaults) > 1:
        raise VaultAmbiguous(owner, vaults)
    return vaults[0]


async def _vaults_of(registry: Contract, owner: Address, token: Address) -> list[Address]:
    """The registered vaults of an owner for a token, among the first VAULTS_SEARCHED indices."""
    found = await read_many(
        registry.client, [(registry, "vaultOf", (owner, token, index)) for index in range(VAULTS_SEARCHED)]
    )
    vaults = [to_address(vault) for (vault,) in found]
    known = await read_many(registry.client, [(registry, "isNode", (vault,)) for vault in vaults])
    return [vault for vault, (is_node,) in zip(vaults, known, strict=True) if is_node]
