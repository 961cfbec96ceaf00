import pytest

from attribution.receipts import Status
from contracts.crypto import ZERO_BYTES32, recover
from contracts.encoding import commitment
from contracts.structs import NO_CHAIN
from node.metering.free import FreeMetering
from serving.types import Outcome
from tests.node.payments.payer import NOW
from tests.node.payments.shop import ADAPTER, OPERATOR, Shop, ended


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_free_request_gets_a_signed_receipt_that_owes_nothing(shop: Shop, outcome: Outcome) -> None:
    metering = FreeMetering(shop.database, OPERATOR)

    issued = await metering.record(
        "free", ADAPTER, ended(outcome), prompt=b"question", output=b"answer", started_at=NOW, now=NOW + 3
    )

    receipt = issued.receipt
    assert recover(receipt.digest(NO_CHAIN), issued.signature) == receipt.node == OPERATOR.address
    assert (receipt.seq, receipt.fee, receipt.cum_before, receipt.voucher_max) == (0, 0, 0, 0)
    assert receipt.status == Status[outcome.name]
    assert issued.prompt_salt is not None
    assert receipt.prompt_commit == commitment(issued.prompt_salt, b"question")
    assert issued.lines == {}
    stored = await shop.receipts.by_id(issued.receipt_id)
    assert stored is not None
    assert (stored.receipt, stored.payer, stored.request) == (receipt, None, None)


async def test_any_number_of_free_receipts_share_the_empty_request_digest(shop: Shop) -> None:
    metering = FreeMetering(shop.database, OPERATOR)

    for i in range(3):
        issued = await metering.record(
            f"free {i}", ZERO_BYTES32, ended(), prompt=b"", output=b"", started_at=NOW, now=NOW
        )
        assert issued.receipt.request_digest == ZERO_BYTES32

    assert (await shop.receipts.head(OPERATOR.address)).last_seq == 0
    assert len(await shop.receipts.latest()) == 3


@pytest.mark.parametrize(("keep", "written", "at_most"), [(3, 10, 3), (1, 4, 1), (250, 257, 252)])
async def test_only_the_newest_receipts_are_kept(shop: Shop, keep: int, written: int, at_most: int) -> None:
    metering = FreeMetering(shop.database, OPERATOR, keep)

    for i in range(written):
        await metering.record(f"free {i}", ZERO_BYTES32, ended(), prompt=b"", output=b"", started_at=NOW, now=NOW + i)

    stored = await shop.receipts.latest(limit=1000)
    assert keep <= len(stored) <= at_most
    assert stored[0].request_id == f"free {written - 1}"


async def test_a_smaller_limit_holds_from_the_first_receipt_after_a_restart(shop: Shop) -> None:
    for keep in (100, 2):
        metering = FreeMetering(shop.database, OPERATOR, keep)
        for i in range(5 if keep == 100 else 1):
            await metering.record(
                f"free {keep} {i}", ZERO_BYTES32, ended(), prompt=b"", output=b"", started_at=NOW, now=NOW + i
            )

    assert len(await shop.receipts.latest()) == 2
