"""Everything a paid node does on its chain, put together."""

from pathlib import Path

import pytest

from node.chain.contracts import EscrowContract
from node.chain.errors import ChainUnavailable
from node.payments.errors import PaymentRequired
from node.settlement.loop import SettlementLoop
from tests.node.settlement.market import Market, Town, fund, new_stall, open_market
from tests.node.settlement.settling import settle, withdraw


async def test_every_withdrawal_is_reported_until_the_channel_was_read_again(market: Market) -> None:
    await market.serve()
    config, mine = market.payer.config.abi_tuple(), market.payer.channel_id

    for step in ("initiateWithdraw", "finalizeWithdraw", "initiateWithdraw"):
        assert await market.settlement.tick() == frozenset()
        await withdraw(market, step, config, *((1,) if step == "initiateWithdraw" else ()))

        assert await market.settlement.tick() == {mine}
        assert await market.settlement.tick() == {mine}
        channel = await market.payments.channels.refresh(mine)
        assert channel.pending_withdraw == (1 if step == "initiateWithdraw" else 0)
        market.town.pass_time(901)


async def test_a_withdrawal_of_another_nodes_channel_is_none_of_this_nodes_business(
    market: Market, town: Town, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with open_market(town, tmp_path / "other", new_stall(town)) as other:
        await fund(other)
        await withdraw(other, "initiateWithdraw", other.payer.config.abi_tuple(), 1)

        assert await other.settlement.tick() == {other.payer.channel_id}
    assert await market.settlement.tick() == frozenset()


async def test_a_refused_read_of_a_balance_is_repeated(market: Market) -> None:
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), 1)
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    market.client.failing = {"eth_call"}
    with pytest.raises(ChainUnavailable):
        await loop.turn()

    market.client.failing = ()
    await loop.turn()

    assert (await market.payments.channels.get(market.payer.channel_id)).pending_withdraw == 1


async def test_inference_is_never_free_by_withdrawing_twice(market: Market) -> None:
    """Withdraw one unit, finalize, withdraw the rest, wait, spend, finalize: the second withdrawal must count."""
    await market.serve()
    config = market.payer.config.abi_tuple()
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    await withdraw(market, "initiateWithdraw", config, 1)
    await loop.turn()
    market.town.pass_time(901)
    await withdraw(market, "finalizeWithdraw", config)
    await loop.turn()
    held = await EscrowContract(market.client).channel(market.payer.channel_id)
    await withdraw(market, "initiateWithdraw", config, held[0].balance - held[0].total_claimed)

    await loop.turn()

    with pytest.raises(PaymentRequired):
        await market.serve()


async def test_progress_follows_the_events(market: Market) -> None:
    before = market.settlement.progress
    await market.serve()

    await settle(market)

    assert (before.last_epoch, before.credited) == (0, 0)
    assert market.settlement.progress.last_epoch == 1
    assert market.settlement.progress is market.settlement.progress
