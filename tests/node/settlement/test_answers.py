"""The node answers every demand on its headers: on a real chain, with real evidence, whatever happens meanwhile."""

from pathlib import Path

from attribution.split import TREASURY, Payee
from contracts.crypto import Bytes32
from node.chain.contracts import SettlementContract
from node.settlement.answer_states import Progress
from node.settlement.cycle import CyclePolicy
from node.settlement.loop import SettlementLoop
from node.settlement.outbox import OutboxPolicy
from node.settlement.profit_gate import ProfitGate
from node.settlement.settlement import SettlementPolicy
from node.store.outbox import State
from tests.node.settlement.demanding import STRANGER, Challenger, answered, posted
from tests.node.settlement.market import Market, Town, fund, new_stall, open_market
from tests.node.settlement.settling import settlement_of
from tests.node.settlement.test_loop import until

NO_SUCH_KIND = Payee(255, Bytes32(bytes(32)))


async def test_demands_on_every_leaf_and_payee_are_all_answered_and_earn_their_bonds(market: Market) -> None:
    challenger, header = Challenger(market.town), await posted(market, receipts=6)
    payees = [STRANGER, NO_SUCH_KIND, TREASURY, Payee.of_address(market.operator.address)]
    challenger.demand(header, *range(header.count), *payees)
    await market.settlement.tick()
    demands = market.settlement.progress.demands.by_deadline()
    before = await market.client.funds(market.operator.address)

    await answered(market)

    sent = [await market.settlement.outbox.find(demand.intent) for demand in demands]
    assert len(demands) == 10
    assert {one.state for one in sent if one is not None} == {State.FINAL}
    assert market.settlement.progress.demands.by_deadline() == ()
    spent = sum((one.gas_used or 0) * (one.gas_price or 0) for one in sent if one is not None)
    assert await market.client.funds(market.operator.address) == before - spent + sum(one.bond for one in demands)
    market.town.pass_time(6)
    assert (await market.settlement.cycle.run(market.now, force=True)).active_epoch == 1


async def test_a_second_batch_is_justified_with_the_header_before_it(market: Market) -> None:
    challenger = Challenger(market.town)
    await posted(market)
    header = await posted(market, receipts=3)
    challenger.demand(header, 1)

    await answered(market)

    assert header.epoch == 2
    assert market.settlement.progress.demands.made == {2: 1}
    assert market.settlement.progress.demands.by_deadline() == ()


async def test_an_open_demand_holds_up_activation_until_it_is_answered(market: Market) -> None:
    challenger, header = Challenger(market.town), await posted(market)
    challenger.demand(header, 0)
    market.town.pass_time(6)

    held = await market.settlement.cycle.run(market.now, force=True)
    await answered(market)
    free = await market.settlement.cycle.run(market.now, force=True)

    assert (held.active_epoch, free.active_epoch) == (0, 1)


async def test_an_activation_that_a_demand_made_void_is_sent_again(market: Market) -> None:
    """The demand is mined after the node has last read the chain, so the transaction activates nothing."""
    challenger, header = Challenger(market.town), await posted(market)
    challenger.demand(header, 0)
    market.town.pass_time(6)
    call = SettlementContract(market.client, settlement_of(market)).activate(header.node)
    await market.settlement.outbox.send("activate:0-1", call, 30)

    await answered(market)
    report = await market.settlement.cycle.run(market.now, force=True)

    assert report.active_epoch == 1


async def test_demands_that_came_while_the_node_was_down_are_answered_before_it_sells(
    town: Town, tmp_path: Path
) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        challenger, header = Challenger(town), await posted(market, receipts=2)
        challenger.demand(header, 1)
    town.pass_time(3_600)

    async with open_market(town, tmp_path, stall) as market:
        answers = market.settlement.answers
        waiting = await answers.states()
        hold = answers.problem(waiting)
        states = await answers.run()

        assert [state.progress for state in waiting] == [Progress.WAITS]
        assert hold is not None
        assert hold.startswith("1 demands are answered first")
        assert [state.progress for state in states] == [Progress.SENT]
        assert answers.problem(states) is None


async def test_an_answer_ignores_the_profit_gate(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    poor = SettlementPolicy(outbox=OutboxPolicy(poll_s=0.02), cycle=CyclePolicy(gate=ProfitGate(10**30, 10**9)))
    async with open_market(town, tmp_path, stall, poor) as market:
        await fund(market)
        challenger, header = Challenger(town), await posted(market)
        challenger.demand(header, 0)
        await market.serve()
        cycle = await market.settlement.cycle.run(market.now)

        await answered(market)

        assert cycle.waits is not None
        assert market.settlement.progress.demands.by_deadline() == ()


async def test_the_loop_answers_by_itself_and_goes_on_selling(market: Market) -> None:
    challenger, header = Challenger(market.town), await posted(market, receipts=2)
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    async with loop.running():
        challenger.demand(header, 1)
        await until(lambda: market.settlement.progress.demands.made.total() == 1)
        await until(lambda: not market.settlement.progress.demands.by_place)
        await market.serve()

    assert (await loop.demands()).reason == "no demand on a header is open"
