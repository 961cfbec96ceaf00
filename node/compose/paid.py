"""Builds a paid node: chain, database and ledger around the engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from local_chain.accounts import dev_accounts
from node.compose.chain_setup import ChainSetup, configured_chain, registered_node
from node.compose.engine import running_service
from node.compose.paid_checkout import PaidCheckout
from node.compose.settling import pin_of, settling
from node.config import Settings
from node.dev import starter
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.payee_names import dev_payee_names
from node.dev.seed import Seeded, seed
from node.home.deployment_file import write_deployment
from node.metering.metering import Metering
from node.metering.payee_labels import Labels
from node.readiness import Progress
from node.settlement.datanets import DatanetFiles
from node.store import meta
from node.store.database import Database
from node.store.ledger_opening import open_ledger
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
        database = await Database.open(settings.database_url, pin_of(chain))
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
        database = await Database.open(settings.database_url, pin_of(chain))
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
    """The money side, and the checkout of requests on top of it."""
    settings, chain, service, database = parts.settings, parts.chain, parts.service, parts.database
    base_digest = Bytes32(bytes.fromhex(service.base_digest))
    async with settling(settings, chain, parts.node, database, base_digest) as money:
        payments, settlement, sales, loop = money.payments, money.settlement, money.sales, money.loop
        signer, registrations = chain.operator, settlement.registrations
        metering = Metering(database, money.receiver, registrations, signer, sales=sales, clock=money.clock)
        checkout = PaidCheckout(payments, metering, registrations, parts.labels)
        async with loop.running():
            paid = Paid(payments, registrations, settlement, chain.rpc_url, chain.deployment)
            probes = {"chain": loop.check, "gas": money.gas, "selling": sales.check, "demands": loop.demands}
            everything = {**probes, **chain.probes}
            world = World(settings, service, checkout, database, signer.address, paid, parts.labels, everything)
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
