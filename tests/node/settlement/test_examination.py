"""Every reason for which settling is impossible ends selling before anything is reserved, and says so."""

import time
from dataclasses import replace

import pytest

from attribution.transition import Registered
from contracts.crypto import Bytes32
from contracts.structs import PriceList, Terms
from local_chain.transactor import Transactor, contract
from node.chain.registrations import ChainRegistrations
from node.payments.clock import ClockTolerance
from node.readiness import Check
from node.settlement.errors import VaultShared
from node.settlement.examination import Examination
from node.store import channels
from serving.errors import NotReady
from tests.node.payments.shop import address
from tests.node.settlement.market import Market


def examination(market: Market, **more: object) -> Examination:
    return Examination(market.settlement, market.payments.sales, **more)  # type: ignore[arg-type]


async def test_a_node_in_order_sells(market: Market) -> None:
    await examination(market).all()

    assert market.payments.sales.problem is None


async def test_a_replaced_operator_key_ends_selling(market: Market) -> None:
    nodes = contract(market.town.web3, "NodeRegistry", market.town.chain.deployment.node_registry)
    vault = market.payer.receiver.vault
    Transactor(market.town.web3, market.operator).call(nodes, "rotateOperator", vault, address("another"))
    market.town.pass_time(2)
    examine = examination(market)

    await examine.all()

    with pytest.raises(NotReady, match="operator key of this vault is"):
        await market.serve()
    assert (await market.payments.channels.get(market.payer.channel_id)).reserved == 0


async def test_an_operator_without_gas_ends_selling_until_it_is_funded(market: Market) -> None:
    funded = [False]

    async def gas() -> Check:
        return Check(funded[0], "the operator has 0 ETH left for gas; fund it")

    examine = examination(market, gas=gas)
    await examine.all()
    with pytest.raises(NotReady, match="fund it"):
        await market.serve()
    funded[0] = True
    await examine.all()

    assert (await market.serve()).receipt.fee > 0


async def test_a_clock_that_differs_from_the_chain_ends_selling_until_it_is_set(market: Market) -> None:
    wall = [int(time.time()) + 10**8]
    examine = examination(market, wall=lambda: wall[0], clock=ClockTolerance(2_592_000))
    examine.clock()
    with pytest.raises(NotReady, match="clock_tolerance_s"):
        await market.serve()
    wall[0] = market.settlement.follower.head.timestamp
    examine.clock()

    market.payments.sales.require()


async def test_a_shortfall_ends_selling_until_it_is_covered(market: Market) -> None:
    examine = examination(market)

    examine.shortfall(5)
    with pytest.raises(NotReady, match="5 base units more"):
        await market.serve()
    examine.shortfall(0)

    market.payments.sales.require()


async def test_vouchers_that_another_node_claimed_are_a_conflict(market: Market) -> None:
    channel = await market.payments.channels.get(market.payer.channel_id)
    await market.database.write(
        lambda session: channels.set_escrowed(
            session,
            channel.channel_id,
            balance=channel.balance,
            pending_withdraw=0,
            total_claimed=1,
            escrow_block=channel.escrow_block + 1,
        )
    )

    with pytest.raises(VaultShared, match="Another node uses this vault"):
        await examination(market).all()


async def test_receipts_sold_by_default_prices_stay_valid_when_the_adapter_gets_its_own(market: Market) -> None:
    """The node sees a new registration later than the chain has it; both lists are in force meanwhile."""
    key = market.settlement.registrations.adapter_key_of(market.town.digests["dermatology"].hex())
    nodes = contract(market.town.web3, "NodeRegistry", market.town.chain.deployment.node_registry)
    vault, operator = market.payer.receiver.vault, market.operator
    prices = (10**18, 10**18, 10**18, 10**12)
    Transactor(market.town.web3, operator).call(nodes, "registerPriceList", vault, key, *prices, operator.address, 0)
    market.lead_s = (await market.client.head()).timestamp - int(time.time()) + 2
    issued = await market.serve()
    market.town.pass_time(5)
    await market.settlement.tick()
    await market.settlement.book.refresh()

    own = market.settlement.registrations.price_list_at(key, issued.receipt.started_at)
    assert own is not None
    assert own.value.struct_hash() != issued.receipt.price_hash
    assert market.settlement.book.unsupported(market.settlement.registrations) is None
    assert (await market.settlement.cycle.run(market.now, force=True)).posted[0][1] == 1


async def test_a_registration_that_a_reorganisation_moved_ends_selling_and_keeps_what_came_before(
    market: Market,
) -> None:
    await market.serve(None)
    await market.serve()
    await market.settlement.book.refresh()
    registered = market.settlement.registrations
    without_terms = replace(registered.all_terms()[0], from_=market.now + 100)

    changed = market.settlement.book.unsupported(Moved(registered, without_terms))

    assert changed is not None
    assert changed.seq == 2
    assert "Raise `confirmations`" in str(changed)


class Moved(ChainRegistrations):
    """The registrations with one list of terms that begins later."""

    def __init__(self, registered: ChainRegistrations, moved: Registered[Terms]) -> None:
        self._registered, self._moved = registered, moved

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        return self._registered.price_list_at(adapter_key, at)

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        return self._moved if self._moved.holds(at) else None
