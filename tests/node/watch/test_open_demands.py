"""Open demands as they are read from a real chain."""

from attribution.split import Payee
from contracts.crypto import keccak
from node.watch.open_demands import DemandReader
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import Market


def reader(market: Market) -> DemandReader:
    deployment = market.town.chain.deployment
    return DemandReader(market.client, deployment.challenges, deployment.settlement)


async def test_a_node_without_demands_has_none(market: Market) -> None:
    assert await reader(market).open(market.payer.receiver.vault) == ()


async def test_the_chain_and_the_follower_agree_on_what_is_open(market: Market) -> None:
    header, challenger = market.settlement.book.batches[0].header, Challenger(market.town)
    for index in range(header.count):
        challenger.demand_leaf(header, index)
    for kind in (0, 1, 255):
        challenger.demand_payee(header, Payee(kind, keccak(b"payee")))
    await market.settlement.tick()

    found = await reader(market).open(header.node)
    followed = market.settlement.progress.demands.by_deadline()
    await market.settlement.answers.run()
    afterwards = await reader(market).open(header.node)

    assert found == followed
    assert len(found) == header.count + 3
    assert sorted(demand.bond for demand in found)[-1] == (header.count + 3) * min(demand.bond for demand in found)
    assert afterwards == ()


async def test_demands_of_before_a_death_are_not_open(market: Market) -> None:
    header, challenger = market.settlement.book.batches[0].header, Challenger(market.town)
    challenger.demand_leaf(header, 0)
    (demand,) = await reader(market).open(header.node)
    market.town.pass_time(86_401)

    challenger.expire(header, demand.kind, demand.item)

    assert await reader(market).open(header.node) == ()
