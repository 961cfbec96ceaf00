import asyncio
from pathlib import Path

import pytest
import structlog

from attribution.receipts import Status
from attribution.split import TREASURY, Payee
from attribution.transition import Ledger, LedgerState, apply
from contracts.crypto import ZERO_BYTES32, recover
from contracts.encoding import commitment
from contracts.fees import usage_fee
from contracts.structs import MAX_DURATION_S
from node.metering.issued import IssuedReceipt
from node.payments.admission import Admission, capacity
from node.settlement.records import reading
from node.store.errors import StoreClosed
from serving.types import Outcome
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import ADAPTER, OPERATOR, PRICES, RECEIVER, TERMS, Shop, ended, evidence_of, open_shop

FEE = usage_fee(PRICES, 10, 0, 10)


@pytest.fixture
async def admission(shop: Shop, payer: Payer) -> Admission:
    await shop.funded(payer, 100 * FEE)
    return await shop.admit(shop.ask(payer, max_fee=2 * FEE, signed_max=50 * FEE), "one")


async def record(shop: Shop, admission: Admission, outcome: Outcome = Outcome.FINISHED, **usage: int) -> IssuedReceipt:
    return await shop.metering.record(
        admission, ended(outcome, **usage), prompt=b"the prompt", output=b"the answer", now=NOW + 2
    )


async def test_a_served_request_is_charged_its_price_and_the_rest_is_given_back(
    shop: Shop, payer: Payer, admission: Admission
) -> None:
    issued = await record(shop, admission, prompt_tokens=7, cached_tokens=3, output_tokens=5)

    fee = usage_fee(PRICES, 7, 3, 5)
    receipt, channel = issued.receipt, await shop.channel(payer)
    assert (receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out) == (7, 3, 5)
    assert (receipt.seq, receipt.fee, receipt.cum_before, receipt.voucher_max) == (1, fee, 0, 50 * FEE)
    assert (channel.charged, channel.reserved, capacity(channel)) == (fee, 0, 50 * FEE - fee)
    assert issued.channel == channel


async def test_a_receipt_is_signed_by_the_operator_and_binds_the_request(shop: Shop, admission: Admission) -> None:
    issued = await record(shop, admission)

    receipt = issued.receipt
    assert recover(receipt.digest(RECEIVER.domain), issued.signature) == OPERATOR.address
    assert receipt.request_digest == admission.verified.request.digest(RECEIVER.domain)
    assert (receipt.node, receipt.adapter_key) == (RECEIVER.vault, ADAPTER)
    assert (receipt.price_hash, receipt.terms_hash) == (PRICES.struct_hash(), TERMS.struct_hash())
    assert (receipt.started_at, receipt.finished_at) == (NOW, NOW + 2)


async def test_the_salts_open_the_commitments(shop: Shop, admission: Admission) -> None:
    issued = await record(shop, admission)

    assert issued.prompt_salt is not None
    assert issued.output_salt is not None
    assert issued.receipt.prompt_commit == commitment(issued.prompt_salt, b"the prompt")
    assert issued.receipt.output_commit == commitment(issued.output_salt, b"the answer")
    assert issued.prompt_salt != issued.output_salt


async def test_the_lines_sum_to_the_fee(shop: Shop, admission: Admission) -> None:
    issued = await record(shop, admission)

    assert sum(issued.lines.values()) == issued.receipt.fee == FEE
    assert issued.lines[TREASURY] == FEE // 10
    assert issued.lines[Payee.of_address(TERMS.owner)] == FEE // 5


@pytest.mark.parametrize(
    ("outcome", "output_tokens", "status"),
    [
        (Outcome.FAILED, 0, Status.FAILED),
        (Outcome.FAILED, 5, Status.FAILED),
        (Outcome.ABORTED, 0, Status.ABORTED),
        (Outcome.FINISHED, 0, Status.FINISHED),
    ],
)
async def test_what_failed_or_produced_nothing_is_free(
    shop: Shop, payer: Payer, admission: Admission, outcome: Outcome, output_tokens: int, status: Status
) -> None:
    issued = await record(shop, admission, outcome, output_tokens=output_tokens)

    receipt, channel = issued.receipt, await shop.channel(payer)
    assert (receipt.seq, receipt.fee, receipt.cum_before, receipt.voucher_max) == (0, 0, 0, 0)
    assert receipt.status == status
    assert (channel.charged, channel.reserved) == (0, 0)
    assert issued.lines == {}
    assert recover(receipt.digest(RECEIVER.domain), issued.signature) == OPERATOR.address


async def test_a_client_that_leaves_pays_for_what_was_produced(shop: Shop, admission: Admission) -> None:
    issued = await record(shop, admission, Outcome.ABORTED, output_tokens=4)

    assert (issued.receipt.status, issued.receipt.fee) == (Status.ABORTED, usage_fee(PRICES, 10, 0, 4))


async def test_recording_twice_charges_once_and_says_the_same(shop: Shop, payer: Payer, admission: Admission) -> None:
    first = await record(shop, admission)
    second = await record(shop, admission)

    assert second == first
    assert (await shop.channel(payer)).charged == FEE


async def test_a_receipt_survives_a_restart_and_its_salts_do_not(tmp_path: Path, payer: Payer) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    async with open_shop(url) as first:
        await first.funded(payer, 100 * FEE)
        admission = await first.admit(first.ask(payer, max_fee=FEE, signed_max=9 * FEE), "one")
        issued = await record(first, admission)

    async with open_shop(url, first.escrow) as second:
        again = await record(second, admission)
        stored = await second.receipts.by_id(issued.receipt_id)

    assert stored is not None
    assert (stored.receipt, stored.signature) == (issued.receipt, issued.signature)
    assert (again.receipt, again.signature) == (issued.receipt, issued.signature)
    assert (again.prompt_salt, again.output_salt) == (None, None)


def written_in(folder: Path) -> bytes:
    """Everything on disk; SQLite's shared-memory index holds no content."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.endswith("-shm"))


async def test_neither_texts_nor_salts_reach_the_disk(tmp_path: Path, payer: Payer) -> None:
    async with open_shop(f"sqlite:///{tmp_path}/node.db") as shop:
        await shop.funded(payer, 100 * FEE)
        admission = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "one")
        issued = await record(shop, admission)
        files = written_in(tmp_path)

    assert issued.receipt.prompt_commit in files
    for secret in (b"the prompt", b"the answer", issued.prompt_salt, issued.output_salt):
        assert secret is not None
        assert secret not in files
        assert secret.hex().encode() not in files


async def test_concurrent_records_are_numbered_without_gaps_and_tile_the_channel(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 1000 * FEE)
    admissions = [await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=900 * FEE), f"r{i}") for i in range(60)]

    async def finish(i: int) -> IssuedReceipt:
        outcome = Outcome.FAILED if i % 7 == 0 else Outcome.FINISHED
        return await shop.metering.record(
            admissions[i], ended(outcome, output_tokens=1 + i % 10), prompt=b"", output=b"", now=NOW + 60 - i
        )

    issued = await asyncio.gather(*(finish(i) for i in range(60)))

    numbered = sorted((one.receipt for one in issued if one.receipt.seq), key=lambda receipt: receipt.seq)
    assert [receipt.seq for receipt in numbered] == list(range(1, len(numbered) + 1))
    charged = 0
    for receipt in numbered:
        assert receipt.cum_before == charged
        charged += receipt.fee
    assert (await shop.channel(payer)).charged == charged
    finished = [receipt.finished_at for receipt in numbered]
    assert finished == sorted(finished), "time does not run back although the clocks of the calls did"
    assert (await shop.receipts.head(RECEIVER.vault)).charged == charged


async def test_receipts_are_never_dated_before_the_chains_head(shop: Shop, admission: Admission) -> None:
    shop.registrations.now = NOW + 500

    assert (await record(shop, admission)).receipt.finished_at == NOW + 500


async def test_what_was_recorded_passes_the_judge(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 1000 * FEE)
    for i in range(6):
        adapter = ADAPTER if i % 2 else ZERO_BYTES32
        ask = shop.ask(payer, max_fee=2 * FEE, signed_max=(20 + i) * FEE, adapter=adapter)
        await record(shop, await shop.admit(ask, f"r{i}"), output_tokens=i + 1)

    state = LedgerState.genesis(Ledger(RECEIVER.vault, RECEIVER.token, RECEIVER.domain))
    page = await shop.database.read(reading(RECEIVER.vault, 1, 4))
    for evidenced in page + await shop.database.read(reading(RECEIVER.vault, 5, 4)):
        state = apply(state, evidenced.stored.receipt, evidence_of(evidenced))

    assert (state.seq, state.cum_total) == (6, (await shop.channel(payer)).charged)


async def test_a_fee_is_forgone_where_the_payers_balance_is_gone(
    shop: Shop, payer: Payer, admission: Admission
) -> None:
    shop.escrow.initiate_withdraw(payer.channel_id, 100 * FEE)
    shop.escrow.finalize_withdraw(payer.channel_id)
    await shop.payments.channels.refresh(payer.channel_id)

    structlog.reset_defaults()  # a node that ran before in this process may have raised the level
    with structlog.testing.capture_logs() as logged:
        issued = await record(shop, admission)

    (line,) = logged
    assert (line["event"], line["generation_id"]) == ("fee_forgone", admission.request_id)
    assert "request_id" not in line, "that is the X-Request-Id in the lines of HTTP"
    assert (issued.receipt.seq, issued.receipt.fee, issued.receipt.status) == (0, 0, Status.FINISHED)
    assert (await shop.channel(payer)).charged == 0


async def test_a_withdrawal_that_is_only_announced_does_not_undo_an_admission(
    shop: Shop, payer: Payer, admission: Admission
) -> None:
    shop.escrow.initiate_withdraw(payer.channel_id, 100 * FEE)
    await shop.payments.channels.refresh(payer.channel_id)

    assert (await record(shop, admission)).receipt.fee == FEE


async def test_a_fee_is_forgone_where_no_valid_receipt_exists(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 100 * FEE)
    shop.registrations.owned.clear()
    slow = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "slow")
    unaware = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=9 * FEE), "unaware of terms")

    late = await shop.metering.record(slow, ended(), prompt=b"", output=b"", now=NOW + MAX_DURATION_S + 1)
    shop.registrations.register_terms(TERMS, from_=NOW)
    unbound = await record(shop, unaware)

    assert (late.receipt.fee, unbound.receipt.fee) == (0, 0)
    assert (await shop.channel(payer)).charged == 0


async def test_usage_beyond_what_was_reserved_is_never_billed(shop: Shop, payer: Payer, admission: Admission) -> None:
    issued = await record(shop, admission, output_tokens=10_000)

    assert issued.receipt.fee == 0
    assert (await shop.channel(payer)).charged == 0


async def test_a_released_request_is_not_charged_afterwards(shop: Shop, payer: Payer, admission: Admission) -> None:
    await shop.payments.release(admission.request_id)

    assert (await record(shop, admission)).receipt.fee == 0
    assert (await shop.channel(payer)).charged == 0


async def test_a_receipt_that_cannot_be_written_is_not_handed_out(
    shop: Shop, payer: Payer, admission: Admission
) -> None:
    await shop.database.close()

    with pytest.raises(StoreClosed):
        await record(shop, admission)


async def test_a_shown_receipt_carries_its_id_split_and_salts(shop: Shop, admission: Admission) -> None:
    issued = await record(shop, admission)

    shown = issued.to_json()

    assert shown["id"] == "0x" + issued.receipt_id.hex()
    assert shown["receipt"] == issued.receipt.to_json()
    assert sum(int(line["amount"]) for line in shown["lines"]) == FEE  # type: ignore[attr-defined]
    assert {"signature", "promptSalt", "outputSalt"} <= set(shown)


async def test_a_node_that_was_stopped_signs_no_numbered_receipt(
    shop: Shop, payer: Payer, admission: Admission
) -> None:
    shop.sales.stop("ledger", "another node uses this vault")

    issued = await record(shop, admission)

    assert (issued.receipt.seq, issued.receipt.fee) == (0, 0)
    assert (await shop.channel(payer)).reserved == 0


async def test_a_node_on_hold_bills_what_it_has_admitted(shop: Shop, admission: Admission) -> None:
    shop.sales.hold("chain", "it does not answer")

    assert (await record(shop, admission)).receipt.fee == FEE
