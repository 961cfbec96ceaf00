"""Everything a paid node does on its chain, put together."""

from tests.node.settlement.market import Market
from tests.node.settlement.settling import settle, withdraw


async def test_a_withdrawal_is_reported_by_one_tick(market: Market) -> None:
    await market.serve()
    mine = market.payer.config.channel_id(market.client.chain_id)
    before = await market.settlement.tick()  # may report other tests' payers on this chain
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), 1)

    reported = await market.settlement.tick()
    again = await market.settlement.tick()

    assert mine not in before
    assert reported == {mine}
    assert again == frozenset()


async def test_progress_follows_the_events(market: Market) -> None:
    before = market.settlement.progress
    await market.serve()

    await settle(market)

    assert (before.last_epoch, before.credited) == (0, 0)
    assert market.settlement.progress.last_epoch == 1
    assert market.settlement.progress is market.settlement.progress
