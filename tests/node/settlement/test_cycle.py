"""The whole cycle on a real chain: every base unit that a payer was charged reaches its payees."""

from attribution.datanets import share
from attribution.split import TREASURY, Payee
from local_chain.accounts import dev_accounts
from node.settlement.claims import ClaimPlan
from node.settlement.direct import send_calls
from tests.node.settlement.market import Market

ACCOUNTS = dev_accounts()
CONTRIBUTOR = ACCOUNTS[10]
OWNER = ACCOUNTS[3]


async def settle(market: Market) -> None:
    await market.side.cycle.run(market.now, force=True)
    market.town.pass_time(6)
    report = await market.side.cycle.run(market.now, force=True)
    assert report.active_epoch == report.last_epoch


async def test_a_contributor_claims_exactly_its_part_of_what_the_datanet_earned(market: Market) -> None:
    for tokens in (80, 33, 121):
        await market.serve("dermatology", tokens)
    await market.serve("cardiology")
    await settle(market)

    plan = ClaimPlan.from_json((await market.side.claims(CONTRIBUTOR.address)).to_json())
    before = await market.balance(CONTRIBUTOR)
    await send_calls(market.client, CONTRIBUTOR, plan.calls(market.client, market.town.chain.deployment.settlement))

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
    operator = await market.side.claims(market.side.outbox.sender)
    for key in ACCOUNTS:
        plan = await market.side.claims(key.address)
        before = await market.balance(key)
        if plan.entries:
            await send_calls(market.client, key, plan.calls(market.client, market.town.chain.deployment.settlement))
        assert await market.balance(key) - before == plan.amount
        paid += plan.amount

    charged = sum(issued.receipt.fee for issued in market.served)
    treasury = sum(issued.lines[TREASURY] for issued in market.served)
    assert (await market.side.earnings(ACCOUNTS[0].address)).totals.accrued == treasury
    assert charged - 24 < paid + operator.amount <= charged
