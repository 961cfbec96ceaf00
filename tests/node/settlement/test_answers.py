"""The node answers every demand on its headers: on a real chain, with real evidence, whatever happens meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from attribution.split import TREASURY, Payee, PayeeKind
from contracts.crypto import Bytes32, keccak
from contracts.structs import BatchHeader
from node.chain import answer_calls
from node.chain.contracts import Contract, SettlementContract
from node.chain.errors import ChainUnavailable
from node.dev.seed import OPEN
from node.settlement.answer_states import NEAR_S, Progress
from node.settlement.cycle import CyclePolicy
from node.settlement.direct_sending import send_calls
from node.settlement.examination import Examination
from node.settlement.loop import SettlementLoop
from node.settlement.outbox import OutboxPolicy
from node.settlement.profit_gate import ProfitGate
from node.settlement.settlement import SettlementPolicy
from node.store import outbox, vouchers
from node.store.outbox import Outgoing, State
from serving.errors import NotReady
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import CHAIN_ID, Market, Town, bond, fund, new_stall, open_market
from tests.node.settlement.settling import settlement_of
from tests.node.settlement.test_loop import until
from tests.node.settlement.test_recovery import DyingClient, post_other

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


async def sent_answers(market: Market) -> list[Outgoing]:
    """The node's answers, newest first."""
    sender = market.settlement.outbox.sender
    found = await market.database.read(lambda session: outbox.recent(session, sender, 100))
    return [sent for sent in found if sent.intent.startswith("answer:")]


async def test_an_answer_that_the_contracts_refuse_ends_selling_and_is_named(market: Market) -> None:
    header = await posted(market)
    forged = update(vouchers.VoucherRow.__table__).values(signature=bytes(64) + b"\x1b")  # type: ignore[attr-defined]
    await market.database.write(lambda session: session.execute(forged))
    Challenger(market.town).demand_leaf(header, 0)
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    await market.settlement.tick()

    await loop.answer()

    (state,) = await market.settlement.answers.states()
    assert (state.progress, (await loop.demands()).ok) == (Progress.REFUSED, False)
    with pytest.raises(NotReady, match=r"the stake is at risk: the demand for leaf 0 .* is refused by the contracts"):
        await market.serve()


async def test_a_demand_on_a_batch_that_the_database_lacks_is_named_with_the_way_out(
    town: Town, tmp_path: Path
) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve()
        batch = await market.settlement.batcher.cut()
        assert batch is not None
        await post_other(town, stall, batch.header.abi_tuple())
        other = replace(batch.header, receipts_root=Bytes32(b"\x01" * 32))
        Challenger(town).demand_leaf(other, 0)
        await market.settlement.tick()

        (state,) = await market.settlement.answers.run()
        report = await market.settlement.report()

    assert (state.progress, state.at_risk(0)) == (Progress.IMPOSSIBLE, True)
    assert "settle answer --file" in str(state.note)
    assert report["demands"] == [state.to_json()]
    assert state.to_json()["item"] == "leaf:0"


async def test_the_loop_answers_by_itself_and_goes_on_selling(market: Market) -> None:
    header = await posted(market, receipts=2)
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    async with loop.running():
        Challenger(market.town).demand_leaf(header, 1)
        await until(lambda: market.settlement.progress.demands.made.total() == 1)
        await until(lambda: not market.settlement.progress.demands.by_place)
        await market.serve()

    assert (await loop.demands()).reason == "no demand on a header is open"


async def test_after_a_death_the_node_sells_no_more_and_posts_again_what_it_sold(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        header = await posted(market)
        challenger = Challenger(town)
        challenger.demand_leaf(header, 0)
        await market.settlement.tick()
        demand = market.settlement.progress.demands.by_deadline()[0]
        town.pass_time(86_401)
        challenger.expire(header, demand.kind, demand.item)
        await market.settlement.tick()
        late = await market.serve()
        await Examination(market.settlement, market.payments.sales).all()
        with pytest.raises(NotReady, match="one of its batches died"):
            await market.serve()
        dead = market.settlement.progress
        bond(town, header.node, 1_000 * OPEN)

        again = await market.settlement.cycle.run(market.now, force=True)
        challenger.demand_leaf(header, 0)
        await answered(market)
        town.pass_time(6)
        active = await market.settlement.cycle.run(market.now, force=True)

        assert (dead.last_epoch, dead.deaths, dead.demands.by_deadline()) == (0, 1, ())
        assert dead.died_at is not None
        assert late.receipt.finished_at > dead.died_at
        assert [row[0] for row in again.posted] == [1]
        assert (active.active_epoch, market.settlement.book.unbatched.count) == (1, 1)
        assert market.settlement.progress.posted[1].header_hash == header.struct_hash()
        assert [sent.intent.rpartition(":")[2] for sent in await sent_answers(market)] == ["posting-2"]
