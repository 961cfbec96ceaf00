"""Claiming the channels of payers who withdraw."""

from node.chain.contracts import EscrowContract
from node.settlement.profit_gate import PendingValue, ProfitGate, reason_to_wait
from tests.node.settlement.market import DEPOSIT, Market
from tests.node.settlement.settling import withdraw


async def test_a_payer_who_leaves_makes_the_cycle_run_and_is_charged_first(market: Market) -> None:
    fee = (await market.serve()).receipt.fee
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), DEPOSIT - fee)

    stale = await market.settlement.tick()
    await market.payments.channels.refresh(market.payer.channel_id)
    leaving = await market.settlement.leaving()
    gate = ProfitGate(tokens_per_coin=10**6)
    waits = reason_to_wait(gate, PendingValue(fee, 1, market.now, leaving=False), 10**9, market.now)
    report = await market.settlement.cycle.run(market.now)

    assert stale == leaving == {market.payer.channel_id}
    assert await market.settlement.leaving() == frozenset()
    assert waits is not None
    assert report.claimed == ((market.payer.channel_id, fee),)
    view, _ = await EscrowContract(market.client).channel(market.payer.channel_id)
    assert view.total_claimed == fee


async def test_a_payer_who_left_before_the_claim_leaves_a_shortfall_that_is_told(market: Market) -> None:
    fee = (await market.serve()).receipt.fee
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), DEPOSIT)
    market.town.pass_time(901)
    await withdraw(market, "finalizeWithdraw", market.payer.config.abi_tuple())

    await market.settlement.cycle.run(market.now, force=True)
    market.town.pass_time(6)
    report = await market.settlement.cycle.run(market.now, force=True, wait_s=1)

    assert report.claimed == ()
    assert (report.last_epoch, report.active_epoch) == (1, 0)
    assert report.shortfall == fee
