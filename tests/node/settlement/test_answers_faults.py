"""Answers to demands when something is in the way: crashes, dear gas, other answerers, a wrong ledger, a death."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from contracts.crypto import Address, Bytes32
from contracts.structs import BatchHeader
from node.chain import answer_calls
from node.chain.client import Log
from node.chain.contracts import Contract
from node.chain.errors import ChainUnavailable
from node.dev.seed import OPEN
from node.settlement.answer_states import NEAR_S, Progress
from node.settlement.direct_sending import send_calls
from node.settlement.examination import Examination
from node.settlement.loop import SettlementLoop
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import SettlementPolicy
from node.store import vouchers
from node.store.outbox import State
from serving.errors import NotReady
from tests.node.settlement.demanding import STRANGER, Challenger, answered, posted, sent_answers
from tests.node.settlement.market import CHAIN_ID, Market, Town, TroubledClient, bond, fund, new_stall, open_market
from tests.node.settlement.test_recovery import DyingClient, post_other


@pytest.mark.parametrize("crash", range(4))
async def test_a_crash_around_an_answer_answers_once(town: Town, tmp_path: Path, crash: int) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        challenger, header = Challenger(town), await posted(market, receipts=2)
        challenger.demand(header, 0, STRANGER)
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
    challenger, header = Challenger(market.town), await posted(market)
    challenger.demand(header, 0)
    await market.settlement.tick()
    other = Challenger(market.town)
    await answer_by(other, market, header)

    states = await market.settlement.answers.run()

    assert [state.progress for state in states] == [Progress.OVERTAKEN]
    assert market.settlement.answers.problem(states) is None
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
        challenger, header = Challenger(town), await posted(market)
        challenger.demand(header, 0)
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
        assert "stake_at_risk" in "".join(capsys.readouterr())

    async with open_market(town, tmp_path, stall) as market:
        await answered(market)
        assert market.settlement.progress.demands.by_deadline() == ()


async def test_an_answer_that_the_contracts_refuse_ends_selling_and_is_named(market: Market) -> None:
    challenger, header = Challenger(market.town), await posted(market)
    forged = update(vouchers.VoucherRow.__table__).values(signature=bytes(64) + b"\x1b")  # type: ignore[attr-defined]
    await market.database.write(lambda session: session.execute(forged))
    challenger.demand(header, 0)
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
        challenger = Challenger(town)
        await post_other(town, stall, batch.header.abi_tuple())
        other = replace(batch.header, receipts_root=Bytes32(b"\x01" * 32))
        challenger.demand(other, 0)
        await market.settlement.tick()

        (state,) = await market.settlement.answers.run()
        report = await market.settlement.report()

    assert (state.progress, state.at_risk(0)) == (Progress.IMPOSSIBLE, True)
    assert "settle answer --file" in str(state.note)
    assert report["demands"] == [state.to_json()]
    assert state.to_json()["item"] == "leaf:0"


async def test_after_a_death_the_node_sells_no_more_and_posts_again_what_it_sold(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        challenger, header = Challenger(town), await posted(market)
        challenger.demand(header, 0)
        await market.settlement.tick()
        demand = market.settlement.progress.demands.by_deadline()[0]
        town.pass_time(86_401)
        challenger.expire(header, demand.kind, demand.item)
        await market.settlement.tick()
        town.pass_time(2)
        await market.settlement.tick()
        late = await market.serve()
        await Examination(market.settlement, market.payments.sales).all()
        with pytest.raises(NotReady, match="one of its batches died"):
            await market.serve()
        dead = market.settlement.progress
        bond(town, header.node, 1_000 * OPEN)

        again = await market.settlement.cycle.run(market.now, force=True)
        challenger.demand(header, 0)
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


class ForgetfulClient(TroubledClient):
    """An endpoint that leaves out the events of single blocks while `forgets`."""

    forgets = False

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        return [] if self.forgets else await super().logs_of_block(block_hash, addresses, topics)

    async def receipt_logs(self, block_hash: Bytes32) -> list[Log]:
        return [] if self.forgets else await super().receipt_logs(block_hash)


async def test_a_demand_whose_event_the_endpoint_leaves_out_is_found_and_answered(town: Town, tmp_path: Path) -> None:
    client = ForgetfulClient(town.chain.rpc_url, CHAIN_ID)
    async with open_market(town, tmp_path, new_stall(town), client=client) as market:
        await fund(market)
        challenger, header = Challenger(town), await posted(market)
        await market.settlement.follower.poll()
        answers, client.forgets = market.settlement.answers, True
        challenger.demand(header, 0)
        await market.settlement.tick()
        unseen = await answers.states()
        client.forgets = False
        for _ in range(2):
            await answers.cross_check()

        await answered(market)

        assert unseen == ()
        assert [sent.state for sent in await sent_answers(market)] == [State.FINAL]
        assert market.settlement.progress.demands.by_deadline() == ()
