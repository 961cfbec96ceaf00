"""The money side of a paid node without a model: database, chain, settlement, and the loop that settles."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from node.chain.contracts import Contract
from node.chain.errors import ChainError
from node.chain.rpc import RpcClient
from node.compose.chain_policy import settlement_policy
from node.compose.chain_setup import ChainSetup, configured_chain, dev_chain, registered_node
from node.config import Settings
from node.payments.clock import ClockTolerance
from node.payments.payments import Payments
from node.payments.receiver import Receiver
from node.payments.sales import Sales
from node.readiness import Probe, Progress
from node.settlement.datanets import DatanetFiles
from node.settlement.examination import Examination
from node.settlement.gas_probe import GasProbe
from node.settlement.loop import SettlementLoop
from node.settlement.settlement import ContractAddresses, Settlement
from node.store import meta
from node.store.database import Database
from node.store.errors import StoreError
from node.store.ledger_opening import open_ledger
from node.store.meta import ChainPin


@dataclass(frozen=True, slots=True)
class Settling:
    """What settles one vault. `loop` does not run yet; `gas` asks whether the operator can pay for transactions."""

    settlement: Settlement
    payments: Payments
    receiver: Receiver
    sales: Sales
    clock: ClockTolerance
    gas: Probe
    loop: SettlementLoop


@asynccontextmanager
async def settling(
    settings: Settings, chain: ChainSetup, node: Address, database: Database, base_digest: Bytes32
) -> AsyncIterator[Settling]:
    """Catches up with chain and database, releases the reservations of a dead process, and answers open demands."""
    async with AsyncExitStack() as stack:
        client = await RpcClient.connect(chain.rpc_url, chain.deployment.chain_id)
        addresses = _addresses(chain, node)
        settlement = await Settlement.open(
            database=database,
            client=client,
            addresses=addresses,
            signer=chain.operator,
            base_digest=base_digest,
            datanets=DatanetFiles.of_home(settings.home),
            clock=lambda: int(time.time()),
            policy=settlement_policy(settings, client.chain_id),
        )
        stack.push_async_callback(settlement.close)
        receiver = await _receiver(client, addresses, settings)
        sales = Sales(lambda: database.unsafe)
        clock = ClockTolerance.of_chain(client.chain_id, settings.clock_tolerance_s)
        payments = Payments(database, receiver, settlement.registrations, settlement.escrow, sales=sales, clock=clock)
        stack.push_async_callback(payments.close)
        await payments.recover()
        await payments.channels.refresh_all()
        gas = GasProbe(client, chain.operator.address).check
        examination = Examination(settlement, sales, clock=clock, gas=gas)
        await examination.all()
        loop = SettlementLoop(settlement, payments, settings.settle_every_s, examination)
        with suppress(ChainError, StoreError):  # the loop tries again; selling is held meanwhile
            await loop.answer()
        yield Settling(settlement, payments, receiver, sales, clock, gas, loop)


@asynccontextmanager
async def settling_home(settings: Settings, progress: Progress) -> AsyncIterator[Settling]:
    """The money side of the node in a home, which must be owned, while no node serves it. Loads no model.

    With `dev` its chain is started as well. Raises what a start of the node raises if the chain, the operator's key or
    the database cannot be used.
    """
    async with AsyncExitStack() as stack:
        if settings.dev:
            chain = await (await stack.enter_async_context(dev_chain(settings, progress)))
        else:
            chain = await configured_chain(settings)
        database = await Database.open(settings.database_url, pin_of(chain))
        stack.push_async_callback(database.close)
        node = await registered_node(chain, settings.vault_address or await database.read(meta.vault_of))
        await open_ledger(database, settings.home, node)
        yield await stack.enter_async_context(settling(settings, chain, node, database, ZERO_BYTES32))


def pin_of(chain: ChainSetup) -> ChainPin:
    """The chain and the contract that a database belongs to."""
    deployment = chain.deployment
    genesis_hash = Bytes32(bytes.fromhex(deployment.genesis_hash.removeprefix("0x")))
    return ChainPin(deployment.chain_id, genesis_hash, deployment.settlement)


def _addresses(chain: ChainSetup, node: Address) -> ContractAddresses:
    deployment = chain.deployment
    return ContractAddresses(
        node=node,
        token=deployment.open_token,
        settlement=deployment.settlement,
        node_registry=deployment.node_registry,
        asset_registry=deployment.asset_registry,
        challenges=deployment.challenges,
    )


async def _receiver(client: RpcClient, addresses: ContractAddresses, settings: Settings) -> Receiver:
    """The payee and the token of every channel. The token's EIP-712 domain is read from the token (EIP-5267)."""
    _, name, version, *_ = await Contract(client, "OpenToken", addresses.token).read("eip712Domain")
    return Receiver(
        chain_id=client.chain_id,
        settlement=addresses.settlement,
        vault=addresses.node,
        token=addresses.token,
        token_name=name,
        token_version=version,
        min_withdraw_delay_s=settings.withdraw_delay_s,
        min_deposit=settings.min_deposit,
    )
