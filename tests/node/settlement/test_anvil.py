"""The cycle on anvil, whose blocks can be taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_chain.anvil import find_anvil
from node.chain.events import BatchPosted
from node.chain.finality import Finality
from node.settlement.loop import SettlementLoop
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import SettlementPolicy
from tests.node.settlement.market import DEPOSIT, Town, fund, new_stall, open_market, running_town


@pytest.fixture(scope="module")
def anvil_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    find_anvil()  # says what to install where it is missing
    with running_town(tmp_path_factory.mktemp("anvil") / "home", "anvil") as running:
        yield running


async def test_a_reorganised_batch_is_posted_again_and_paid_once(anvil_town: Town, tmp_path: Path) -> None:
    policy = SettlementPolicy(outbox=OutboxPolicy(confirmations=3, poll_s=0.02))
    async with open_market(anvil_town, tmp_path, new_stall(anvil_town), policy) as market:
        await fund(market)
        fee = (await market.serve()).receipt.fee
        await market.settlement.cycle.run(market.now, force=True)
        assert market.settlement.progress.last_epoch == 1

        answer = anvil_town.web3.provider.make_request("anvil_reorg", [3, []])  # type: ignore[arg-type]
        assert "error" not in answer
        await market.settlement.tick()
        lost = market.settlement.progress.last_epoch
        for _ in range(2):  # the first cycle posts the batch again if no tick has
            for _ in range(4):
                anvil_town.pass_time(6)
                await market.settlement.tick()
            report = await market.settlement.cycle.run(market.now, force=True)
            if report.active_epoch:
                break

        posts = [one.event for one in market.settlement.follower.events if isinstance(one.event, BatchPosted)]
        assert lost == 0
        assert len(posts) == 1
        assert report.active_epoch == 1
        assert market.settlement.progress.credited == fee
        assert [one.intent for one in await market.settlement.outbox.unfinished()] == [
            "activate:0-1"
        ]  # not deep enough yet


async def test_a_reorganised_deposit_leaves_the_balance_and_comes_back(anvil_town: Town, tmp_path: Path) -> None:
    policy = SettlementPolicy(finality=Finality(3), outbox=OutboxPolicy(confirmations=3, poll_s=0.02))
    async with open_market(anvil_town, tmp_path, new_stall(anvil_town), policy) as market:
        await fund(market)
        loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
        await loop.turn()

        answer = anvil_town.web3.provider.make_request("anvil_reorg", [2, []])  # type: ignore[arg-type]
        assert "error" not in answer
        stale = await market.settlement.tick()
        for _ in range(5):
            await loop.turn()
            anvil_town.pass_time(1)
        await loop.turn()
        channel = await market.payments.channels.refresh(market.payer.channel_id)

        assert stale == {market.payer.channel_id}
        assert channel.balance == DEPOSIT
        assert await market.settlement.outbox.unfinished() == ()
