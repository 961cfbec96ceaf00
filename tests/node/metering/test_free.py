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
