"""The status of settlement."""

from tests.node.settlement.market import Market


async def test_status_tells_what_is_unposted_at_risk_and_pending(market: Market) -> None:
    fee = (await market.serve()).receipt.fee
    before = await market.settlement.status()
    await market.settlement.cycle.run(market.now, force=True)
    after = await market.settlement.status()

    assert (before.unposted_receipts, before.unposted_value, before.at_risk_value) == (1, fee, fee)
    assert (after.unposted_receipts, after.unposted_value, after.at_risk_value) == (0, 0, 0)
    assert (before.last_post_at, before.last_epoch, before.credited) == (0, 0, 0)
    assert (after.last_epoch, after.active_epoch, after.credited) == (1, 0, fee)
    assert after.active_from > 0
    assert after.last_post_at > 0
    assert after.last_claim_at > 0
    assert after.pending == ()
    assert after.to_json()["credited"] == str(fee)
