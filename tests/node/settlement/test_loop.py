"""The background task: it settles by itself, survives a chain that is away, and reports both."""

import asyncio
from collections.abc import Callable

from node.settlement.loop import SettlementLoop
from tests.node.settlement.market import Market


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # the chain has no event to wait for
            await asyncio.sleep(0.05)


async def test_the_chain_is_followed_and_receipts_are_settled(market: Market) -> None:
    await market.serve()
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=0.0)

    async with loop.running():
        await until(lambda: market.settlement.progress.last_epoch == 1)
        check = await loop.check()

    assert check.ok
    assert "followed up to block" in check.reason
    assert loop.status is not None


async def test_before_the_first_start_and_after_the_end_the_check_fails(market: Market) -> None:
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)

    before = await loop.check()
    async with loop.running():
        during = await loop.check()
    after = await loop.check()

    assert (before.ok, during.ok, after.ok) == (False, True, False)
    assert "restart the node" in after.reason


async def test_a_due_cycle_runs_in_one_turn_and_the_next_waits(market: Market) -> None:
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    await market.serve()
    await market.settlement.tick()  # takes note of the withdrawals of other tests' payers on this chain

    await loop.turn()

    assert market.settlement.progress.last_epoch == 0
    assert loop.status is not None
    assert loop.status.unposted_receipts == 1
