"""Builds a paid node: chain, database and ledger around the engine."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from local_chain.accounts import dev_accounts
from node.chain.contracts import Contract
from node.chain.errors import ChainError
from node.chain.rpc import RpcClient
from node.compose.chain_policy import settlement_policy
from node.compose.chain_setup import ChainSetup, configured_chain, registered_node
from node.compose.engine import running_service
from node.compose.paid_checkout import PaidCheckout
from node.config import Settings
from node.dev import starter
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.payee_names import dev_payee_names
from node.dev.seed import Seeded, seed
from node.home.deployment_file import write_deployment
from node.metering.metering import Metering
from node.metering.payee_labels import Labels
from node.payments.clock import ClockTolerance
from node.payments.payments import Payments
from node.payments.receiver import Receiver
from node.payments.sales import Sales
from node.readiness import Progress
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
from node.world import Paid, World
from serving.service import Service


@asynccontextmanager
async def dev_world(
    settings: Settings, progress: Progress, starting: "asyncio.Task[ChainSetup]"
) -> AsyncIterator[World]:
    """The world of `start --dev`: a local chain on which the node and the starter pack are registered."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running_service(settings, progress))
        chain = await starting
        write_deployment(settings.home, chain.deployment)
        database = await Database.open(settings.database_url, _pin(chain))
        stack.push_async_callback(database.close)
        seeded = await asyncio.to_thread(_seed, chain, service, progress)
        await open_ledger(database, settings.home, seeded.node)
        datanets = DatanetFiles.of_home(settings.home)
        for datanet in seeded.datanets:
            datanets.add(datanet.datanet_id, datanet.version, datanet.contributors)
        labels = dev_payee_names(seeded, dev_accounts(), starter.pack())
        parts = _Parts(settings, chain, seeded.node, service, database, labels)
        yield await stack.enter_async_context(_paid_world(parts))


@asynccontextmanager
async def registered_world(settings: Settings, progress: Progress) -> AsyncIterator[World]:
    """The world of `start --chain-rpc`: an existing chain on which this node is already registered."""
    async with AsyncExitStack() as stack:
        chain = await configured_chain(settings)
        database = await Database.open(settings.database_url, _pin(chain))
        stack.push_async_callback(database.close)
        node = await registered_node(chain, settings.vault_address or await database.read(meta.vault_of))
        await open_ledger(database, settings.home, node)
        service = await stack.enter_async_context(running_service(settings, progress))
        labels = Labels({Payee.of_address(chain.operator.address): "operator"})
        parts = _Parts(settings, chain, node, service, database, labels)
        yield await stack.enter_async_context(_paid_world(parts))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything that is built before payments start."""

    settings: Settings
    chain: ChainSetup
    node: Address
    service: Service
    database: Database
    labels: Labels


@asynccontextmanager
async def _paid_world(parts: _Parts) -> AsyncIterator[World]:
    """Catches up with chain and database and releases the reservations of a dead process, before any request."""
    settings, chain, service, database = parts.settings, parts.chain, parts.service, parts.database
    async with AsyncExitStack() as stack:
        client = await RpcClient.connect(chain.rpc_url, chain.deployment.chain_id)
        addresses = _addresses(parts)
        settlement = await Settlement.open(
            database=database,
            client=client,
            addresses=addresses,
            signer=chain.operator,
            base_digest=Bytes32(bytes.fromhex(service.base_digest)),
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
        signer, registrations = chain.operator, settlement.registrations
        metering = Metering(database, receiver, registrations, signer, sales=sales, clock=clock)
        checkout = PaidCheckout(payments, metering, registrations, parts.labels)
        gas = GasProbe(client, signer.address).check
        examination = Examination(settlement, sales, clock=clock, gas=gas)
        await examination.all()
        loop = SettlementLoop(settlement, payments, settings.settle_every_s, examination)
        with suppress(ChainError, StoreError):  # the loop tries again; selling is held meanwhile
            await loop.answer()
        await stack.enter_async_context(loop.running())
        paid = Paid(payments, registrations, settlement, chain.rpc_url, chain.deployment)
        probes = {"chain": loop.check, "gas": gas, "selling": sales.check, "demands": loop.demands, **chain.probes}
        world = World(settings, service, checkout, database, signer.address, paid, parts.labels, probes)
        world.metrics.observe_money(lambda: loop.status)
        yield world


def _seed(chain: ChainSetup, service: Service, progress: Progress) -> Seeded:
    """Registers the node, and the starter pack if the node serves all of it."""
    accounts, pack = dev_accounts(), starter.pack()
    served = {card.name: card.adapter for card in service.models() if card.adapter is not None}
    serves_pack = service.base_name == pack.base_name and all(adapter.name in served for adapter in pack.adapters)
    digests = {name: Bytes32(bytes.fromhex(digest)) for name, digest in served.items()}
    return seed(
        chain.rpc_url,
        chain.deployment,
        base_digest=Bytes32(bytes.fromhex(service.base_digest)),
        adapters=starter_adapters(pack, accounts, digests) if serves_pack else (),
        datanets=starter_datanets(pack, accounts) if serves_pack else (),
        progress=progress,
    )


def _pin(chain: ChainSetup) -> ChainPin:
    deployment = chain.deployment
    genesis_hash = Bytes32(bytes.fromhex(deployment.genesis_hash.removeprefix("0x")))
    return ChainPin(deployment.chain_id, genesis_hash, deployment.settlement)


def _addresses(parts: _Parts) -> ContractAddresses:
    deployment = parts.chain.deployment
    return ContractAddresses(
        node=parts.node,
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
