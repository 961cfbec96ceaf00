"""The whole cycle on a real chain: every base unit that a payer was charged reaches its payees."""

from pathlib import Path

import pytest

from attribution import merkle
from attribution.batch import receipt_leaf
from attribution.datanets import share
from attribution.receipts_file import ReceiptsFile
from attribution.split import TREASURY, Payee
from contracts.crypto import Address
from contracts.x402 import ESCROW
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor, contract
from node.chain.contracts import EscrowContract
from node.settlement.claims import ClaimPlan
from node.settlement.direct_sending import send_calls
from node.settlement.outbox import OutboxPolicy
from node.settlement.profit_gate import ProfitGate, Stakes, reason_to_wait
from node.settlement.settlement import SettlementPolicy
from tests.node.settlement.market import DEPOSIT, Market, Town, fund, new_stall, open_market

ACCOUNTS = dev_accounts()
CONTRIBUTOR = ACCOUNTS[10]
OWNER = ACCOUNTS[3]


def settlement_of(market: Market) -> Address:
    return market.town.chain.deployment.settlement


async def settle(market: Market) -> None:
    await market.settlement.cycle.run(market.now, force=True)
    market.town.pass_time(6)
    report = await market.settlement.cycle.run(market.now, force=True)
    assert report.active_epoch == report.last_epoch


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


async def test_many_batches_post_in_order_when_the_limit_is_small(town: Town, tmp_path: Path) -> None:
    policy = SettlementPolicy(batch_limit=2, outbox=OutboxPolicy(poll_s=0.02))
    async with open_market(town, tmp_path, new_stall(town), policy) as market:
        await fund(market)
        for _ in range(5):
            await market.serve(output_tokens=5)

        report = await market.settlement.cycle.run(market.now, force=True)

        assert [(epoch, count) for epoch, count, _ in report.posted] == [(1, 2), (2, 2), (3, 1)]
        assert market.settlement.book.epoch_of(4) == 2
        assert market.settlement.book.epoch_of(6) is None


async def test_the_receipts_file_and_a_proof_convince_a_stranger(market: Market) -> None:
    for adapter in ("dermatology", None, "nutrition"):
        await market.serve(adapter)
    await market.settlement.cycle.run(market.now, force=True)

    file = ReceiptsFile.decode(await market.settlement.batcher.receipts_file(1))
    proof = await market.settlement.batcher.receipt_proof(1, 2)

    assert file.header.struct_hash() == market.settlement.progress.posted[1].header_hash
    assert [entry.receipt for entry in file.entries] == [issued.receipt for issued in market.served]
    leaf = receipt_leaf(proof.receipt, proof.root_before, proof.root_after)
    assert proof.receipt == market.served[1].receipt
    assert merkle.verify_path(file.header.receipts_root, 3, 1, leaf, proof.path)
    with pytest.raises(KeyError):
        await market.settlement.batcher.receipts_file(2)


async def test_a_payer_who_leaves_makes_the_cycle_run_and_is_charged_first(market: Market) -> None:
    fee = (await market.serve()).receipt.fee
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), DEPOSIT - fee)

    fresh = await market.settlement.tick()
    gate = ProfitGate(tokens_per_coin=10**6)
    waits = reason_to_wait(gate, Stakes(fee, 1, market.now, leaving=False), 10**9, market.now)
    report = await market.settlement.cycle.run(market.now)

    assert fresh == {market.payer.channel_id}
    assert await market.settlement.tick() == frozenset()
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


async def withdraw(market: Market, function: str, *args: object) -> None:
    """The payer acts on the escrow with its own key."""
    web3 = market.town.web3
    wallet = market.payer.wallet
    if await market.client.funds(wallet.address) == 0:
        Transactor(web3, ACCOUNTS[2]).pay(wallet.address, 10**18)
    Transactor(web3, wallet).call(contract(web3, "ChannelEscrow", ESCROW), function, *args)
