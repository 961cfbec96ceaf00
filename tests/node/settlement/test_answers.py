"""The node answers every demand on its headers: on a real chain, with real evidence, whatever happens meanwhile."""

from pathlib import Path

import pytest

from attribution.split import TREASURY, Payee, PayeeKind
from contracts.crypto import Bytes32, keccak
from contracts.structs import BatchHeader
from node.chain import answer_calls
from node.chain.contracts import Contract, SettlementContract
from node.chain.errors import ChainUnavailable
from node.settlement.answer_states import NEAR_S, Progress
from node.settlement.cycle import CyclePolicy
from node.settlement.direct_sending import send_calls
from node.settlement.outbox import OutboxPolicy
from node.settlement.profit_gate import ProfitGate
from node.settlement.settlement import SettlementPolicy
from node.store import outbox
from node.store.outbox import Outgoing, State
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import CHAIN_ID, Market, Town, fund, new_stall, open_market
from tests.node.settlement.settling import settlement_of
from tests.node.settlement.test_recovery import DyingClient

STRANGER = Payee(PayeeKind.ADDRESS, keccak(b"somebody who earned nothing"))
NO_SUCH_KIND = Payee(255, Bytes32(bytes(32)))


async def posted(market: Market, receipts: int = 1) -> BatchHeader:
    """A batch that has just been posted, so that its window runs."""
    for _ in range(receipts):
        await market.serve("dermatology")
    await market.settlement.cycle.run(market.now, force=True)
    return market.settlement.book.batches[-1].header


async def answered(market: Market) -> None:
    """One turn of the node: it reads the chain, answers, and reads the chain again."""
    await market.settlement.tick()
    await market.settlement.answers.run()
    await market.settlement.tick()


async def test_demands_on_every_leaf_and_payee_are_all_answered_and_earn_their_bonds(market: Market) -> None:
    header, challenger = await posted(market, receipts=6), Challenger(market.town)
    payees = [STRANGER, NO_SUCH_KIND, TREASURY, Payee.of_address(market.operator.address)]
    for index in range(header.count):
        challenger.demand_leaf(header, index)
    for payee in payees:
        challenger.demand_payee(header, payee)
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
    await posted(market)
    header = await posted(market, receipts=3)
    Challenger(market.town).demand_leaf(header, 1)

    await answered(market)

    assert header.epoch == 2
    assert market.settlement.progress.demands.made == {2: 1}
    assert market.settlement.progress.demands.by_deadline() == ()


async def test_an_open_demand_holds_up_activation_until_it_is_answered(market: Market) -> None:
    header = await posted(market)
    Challenger(market.town).demand_leaf(header, 0)
    market.town.pass_time(6)

    held = await market.settlement.cycle.run(market.now, force=True)
    await answered(market)
    free = await market.settlement.cycle.run(market.now, force=True)

    assert (held.active_epoch, free.active_epoch) == (0, 1)


async def test_an_activation_that_a_demand_made_void_is_sent_again(market: Market) -> None:
    """The demand is mined after the node has last read the chain, so the transaction activates nothing."""
    header = await posted(market)
    Challenger(market.town).demand_leaf(header, 0)
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
        header = await posted(market, receipts=2)
    challenger = Challenger(town)
    challenger.demand_leaf(header, 1)
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


@pytest.mark.parametrize("crash", range(4))
async def test_a_crash_around_an_answer_answers_once(town: Town, tmp_path: Path, crash: int) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        header = await posted(market, receipts=2)
    challenger = Challenger(town)
    challenger.demand_leaf(header, 0)
    challenger.demand_payee(header, STRANGER)
    client = DyingClient(town.chain.rpc_url, CHAIN_ID)
    client.lives, client.after = crash // 2, crash % 2 == 1
    async with open_market(town, tmp_path, stall, client=client) as dying:
        with pytest.raises(ChainUnavailable):
            await dying.settlement.answers.run()

    async with open_market(town, tmp_path, stall) as market:
        await market.settlement.tick()
        await answered(market)

        assert market.settlement.progress.demands.by_deadline() == ()
        assert await market.settlement.outbox.unfinished() == ()
        assert [sent.state for sent in await sent_answers(market)] == [State.FINAL] * 2


async def test_a_demand_that_somebody_else_answered_first_is_no_error(market: Market) -> None:
    header = await posted(market)
    Challenger(market.town).demand_leaf(header, 0)
    await market.settlement.tick()
    demand = market.settlement.progress.demands.by_deadline()[0]
    other = Challenger(market.town)
    await answer_by(other, market, header)

    states = await market.settlement.answers.run()

    assert [state.progress for state in states] == [Progress.OVERTAKEN]
    assert market.settlement.answers.problem(states) is None
    assert not states[0].at_risk(demand.deadline)
    await market.settlement.tick()
    assert await market.settlement.answers.states() == ()


async def answer_by(other: Challenger, market: Market, header: BatchHeader) -> None:
    """Another account justifies leaf 0."""
    challenges = Contract(market.client, "Challenges", market.town.chain.deployment.challenges)
    batch = await market.settlement.batcher.answers(header.epoch)
    await send_calls(market.client, other.key, [answer_calls.justify(challenges, batch, None, 0)])


async def test_gas_above_the_cap_holds_an_answer_back_until_it_is_loud(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        header = await posted(market)
    Challenger(town).demand_leaf(header, 0)
    policy = SettlementPolicy(outbox=OutboxPolicy(poll_s=0.02, max_fee_cap=1))
    async with open_market(town, tmp_path, stall, policy) as market:
        answers = market.settlement.answers
        early = await answers.run()
        town.pass_time(86_400 - NEAR_S + 10)
        await market.settlement.tick()
        late = await answers.run()

        assert [state.progress for state in (*early, *late)] == [Progress.WAITS] * 2
        assert "max_gas_price_gwei" in str(late[0].note)
        assert (early[0].at_risk(market.now - 86_400), late[0].at_risk(market.now)) == (False, True)
        assert "the stake is at risk: the demand for leaf 0 of epoch 1" in str(answers.problem(late))
        assert "stake_at_risk" in capsys.readouterr().out

    async with open_market(town, tmp_path, stall) as market:
        await answered(market)
        assert market.settlement.progress.demands.by_deadline() == ()


async def test_an_answer_ignores_the_profit_gate(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    poor = SettlementPolicy(outbox=OutboxPolicy(poll_s=0.02), cycle=CyclePolicy(gate=ProfitGate(10**30, 10**9)))
    async with open_market(town, tmp_path, stall, poor) as market:
        await fund(market)
        header = await posted(market)
        Challenger(town).demand_leaf(header, 0)
        await market.serve()
        cycle = await market.settlement.cycle.run(market.now)

        await answered(market)

        assert cycle.waits is not None
        assert market.settlement.progress.demands.by_deadline() == ()


async def test_a_reorganisation_takes_a_demand_and_its_answer_back_together(market: Market) -> None:
    header, challenger, web3 = await posted(market), Challenger(market.town), market.town.web3
    snapshot = web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    challenger.demand_leaf(header, 0)
    await answered(market)
    intents = [sent.intent for sent in await sent_answers(market)]

    web3.provider.make_request("evm_revert", [snapshot])  # type: ignore[arg-type]
    for _ in range(3):
        web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
    await market.settlement.tick()
    gone = market.settlement.progress.demands.made.total()
    await market.settlement.tick()
    challenger.demand_leaf(header, 0)
    await answered(market)

    assert (len(intents), gone) == (1, 0)
    assert market.settlement.progress.demands.made == {1: 1}


async def sent_answers(market: Market) -> list[Outgoing]:
    """The node's answers, newest first."""
    sender = market.settlement.outbox.sender
    found = await market.database.read(lambda session: outbox.recent(session, sender, 100))
    return [sent for sent in found if sent.intent.startswith("answer:")]
