"""The whole cycle on a real chain: every base unit that a payer was charged reaches its payees."""

import time

import pytest

from attribution.datanets import share
from attribution.split import TREASURY, Payee
from local_chain.accounts import dev_accounts
from node.settlement.claims import ClaimPlan
from node.settlement.direct_sending import send_calls
from tests.node.settlement.market import Market
from tests.node.settlement.settling import settle, settlement_of

ACCOUNTS = dev_accounts()
CONTRIBUTOR = ACCOUNTS[10]
OWNER = ACCOUNTS[3]


async def test_a_contributor_claims_exactly_its_part_of_what_the_datanet_earned(market: Market) -> None:
    for tokens in (80, 33, 121):
        await market.serve("dermatology", tokens)
    await market.serve("cardiology")
    await settle(market)

    plan = ClaimPlan.from_json((await market.settlement.claims(CONTRIBUTOR.address)).to_json())
    before = await market.balance(CONTRIBUTOR)
    await send_calls(market.client, CONTRIBUTOR, plan.calls(market.client, settlement_of(market)))

    datanet = next(one for one in market.town.seeded.datanets if one.name == "dermatology")
    payee = Payee.of_datanet(datanet.datanet_id, datanet.version)
    earned = sum(issued.lines.get(payee, 0) for issued in market.served)
    weight, total = datanet.contributors.weight_of(CONTRIBUTOR.address), datanet.contributors.total_weight
    assert earned > 0
    assert await market.balance(CONTRIBUTOR) - before == share(earned, weight, total) == plan.amount


async def test_after_every_payee_claimed_only_dust_stays(market: Market) -> None:
    await market.serve("dermatology")
    await market.serve("nutrition", 7)
    await market.serve(None, 50)
    await settle(market)

    paid = 0
    operator = await market.settlement.claims(market.settlement.outbox.sender)
    for key in ACCOUNTS:
        plan = await market.settlement.claims(key.address)
        before = await market.balance(key)
        if plan.entries:
            await send_calls(market.client, key, plan.calls(market.client, settlement_of(market)))
        assert await market.balance(key) - before == plan.amount
        paid += plan.amount

    charged = sum(issued.receipt.fee for issued in market.served)
    treasury = sum(issued.lines[TREASURY] for issued in market.served)
    assert (await market.settlement.earnings(ACCOUNTS[0].address)).totals.accrued == treasury
    assert charged - 24 < paid + operator.amount <= charged


async def test_a_second_claim_pays_only_the_difference(market: Market) -> None:
    paid = []
    for _ in range(2):
        await market.serve("dermatology", 77)
        await settle(market)
        plan = await market.settlement.claims(CONTRIBUTOR.address)
        before = await market.balance(CONTRIBUTOR)
        await send_calls(market.client, CONTRIBUTOR, plan.calls(market.client, settlement_of(market)))
        paid.append(await market.balance(CONTRIBUTOR) - before)
        await market.settlement.tick()
        assert (await market.settlement.claims(CONTRIBUTOR.address)).entries == ()

    totals = (await market.settlement.earnings(CONTRIBUTOR.address)).totals
    assert sum(paid) == totals.claimed == totals.accrued == totals.posted
    assert totals.claimable == 0


async def test_earnings_move_from_accrued_to_posted_to_claimable(market: Market) -> None:
    await market.serve("dermatology")
    accrued = (await market.settlement.earnings(OWNER.address)).totals
    await market.settlement.cycle.run(market.now, force=True)
    posted = (await market.settlement.earnings(OWNER.address)).totals
    market.town.pass_time(6)
    await market.settlement.cycle.run(market.now, force=True)
    active = (await market.settlement.earnings(OWNER.address)).totals

    royalty = market.served[0].receipt.fee // 5
    assert [accrued.accrued, accrued.posted, accrued.claimable] == [royalty, 0, 0]
    assert [posted.accrued, posted.posted, posted.claimable] == [royalty, royalty, 0]
    assert [active.accrued, active.posted, active.claimable, active.claimed] == [royalty, royalty, royalty, 0]


async def test_waiting_for_the_window_makes_it_claimable_in_one_cycle(market: Market) -> None:
    await market.serve("dermatology")

    report = await market.settlement.cycle.run(market.now, force=True, wait_s=30)

    assert report.active_epoch == 1
    assert (await market.settlement.earnings(OWNER.address)).totals.claimable == market.served[0].receipt.fee // 5


async def test_a_dry_run_foretells_and_does_nothing(market: Market) -> None:
    fee = (await market.serve("dermatology")).receipt.fee
    nonce = await market.client.nonce(market.settlement.outbox.sender)

    report = await market.settlement.cycle.run(market.now, force=True, dry_run=True)

    assert report.posted == ((1, 1, fee),)
    assert report.claimed == ((market.payer.channel_id, fee),)
    assert report.swept == fee
    assert await market.client.nonce(market.settlement.outbox.sender) == nonce
    assert market.settlement.book.batches == ()
    assert report.to_json()["swept"] == str(fee)


async def test_a_cycle_without_receipts_sends_nothing(market: Market) -> None:
    nonce = await market.client.nonce(market.settlement.outbox.sender)

    forced = await market.settlement.cycle.run(market.now, force=True)
    gated = await market.settlement.cycle.run(market.now)

    assert forced.transactions == gated.transactions == ()
    assert gated.waits == "nothing to settle"
    assert await market.client.nonce(market.settlement.outbox.sender) == nonce


async def test_a_cycle_that_sends_nothing_reads_the_chain_once(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    await market.serve("dermatology")
    await settle(market)
    reads, poll = [], market.settlement.follower.poll

    async def counted() -> bool:
        reads.append(1)
        return await poll()

    monkeypatch.setattr(market.settlement.follower, "poll", counted)
    report = await market.settlement.cycle.run(int(time.time()), force=True)

    assert report.transactions == ()
    assert len(reads) == 1
