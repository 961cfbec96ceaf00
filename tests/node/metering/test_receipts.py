"""Stored receipts are found again, with the evidence that a judge needs."""

from dataclasses import replace

from attribution.transition import Ledger, LedgerState, apply
from contracts.crypto import ZERO_BYTES32
from contracts.fees import usage_fee
from node.metering.issued import IssuedReceipt
from serving.types import Outcome
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import PRICES, RECEIVER, TERMS, Shop, ended, evidence_of

FEE = usage_fee(PRICES, 10, 0, 10)


async def served(
    shop: Shop, payer: Payer, request_id: str, *, signed_max: int, outcome: Outcome = Outcome.FINISHED
) -> IssuedReceipt:
    admission = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=signed_max), request_id)
    return await shop.metering.record(admission, ended(outcome), prompt=b"", output=b"", now=NOW + 2)


async def test_receipts_are_found_by_id_request_channel_and_payer(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 1000 * FEE)
    other = replace(payer, salt=TERMS.struct_hash())
    await shop.funded(other, 1000 * FEE)
    issued = []
    for i in range(5):
        who = payer if i % 2 == 0 else other
        issued.append(await served(shop, who, f"r{i}", signed_max=99 * FEE))

    channel = await shop.receipts.of_channel(payer.channel_id)
    first = await shop.receipts.latest(payer=payer.wallet.address, limit=3)
    last = first[-1]
    rest = await shop.receipts.latest(
        payer=payer.wallet.address, before=(last.receipt.finished_at, last.receipt_id), limit=3
    )

    assert [stored.receipt.seq for stored in channel] == [1, 3, 5]
    assert {stored.receipt_id for stored in first + rest} == {receipt.receipt_id for receipt in issued}
    assert len(first) == 3
    assert (await shop.receipts.of_request("r2")) == channel[1]
    assert (await shop.receipts.by_id(ZERO_BYTES32)) is None
    assert await shop.receipts.latest(payer=RECEIVER.vault) == ()


async def test_the_evidence_of_a_receipt_passes_the_judge(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    issued = await served(shop, payer, "one", signed_max=FEE)

    evidenced = await shop.receipts.evidence(issued.receipt_id)

    assert evidenced is not None
    state = LedgerState.genesis(Ledger(RECEIVER.vault, RECEIVER.token, RECEIVER.domain))
    assert apply(state, evidenced.stored.receipt, evidence_of(evidenced)).cum_total == FEE
    assert evidenced.lines() == issued.lines


async def test_a_receipt_without_a_number_has_no_evidence(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    issued = await served(shop, payer, "one", signed_max=FEE, outcome=Outcome.FAILED)

    assert issued.receipt.seq == 0
    assert await shop.receipts.evidence(issued.receipt_id) is None
    assert await shop.receipts.evidence(ZERO_BYTES32) is None


async def test_the_head_is_the_newest_number_and_the_total(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    for number in (1, 2, 3):
        await served(shop, payer, f"r{number}", signed_max=number * FEE)

    head = await shop.receipts.head(RECEIVER.vault)

    assert (head.last_seq, head.charged) == (3, 3 * FEE)
