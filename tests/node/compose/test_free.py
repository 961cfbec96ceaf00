"""The checkout of a free node: everybody is admitted, and every receipt names the adapter and owes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.crypto import ZERO_BYTES32
from contracts.encoding import adapter_key
from node.compose.free import FreeCheckout
from node.metering.checkout import HttpCall
from node.metering.free import FreeMetering
from node.payments.bounds import Bounds
from serving.types import AdapterDigest, BaseDigest, Prepared, ResolvedModel
from tests.node.payments.shop import OPERATOR, Shop, ended, open_shop

BASE, ADAPTER = BaseDigest("b" * 64), AdapterDigest("a" * 64)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/node.db") as opened:
        yield opened


def call(client: str) -> HttpCall:
    return HttpCall("POST", "/v1/completions", {}, b"{}", client)


@pytest.mark.parametrize("adapter", [None, ADAPTER])
async def test_a_caller_is_its_network_address_and_gets_all_it_asks_for(
    shop: Shop, adapter: AdapterDigest | None
) -> None:
    checkout = FreeCheckout(FreeMetering(shop.database, OPERATOR), BASE)
    prepared = Prepared(ResolvedModel("m", adapter), (5, 6, 7), 4, choices=2)

    caller = await checkout.authenticate(call("10.0.0.7"), adapter, Bounds(3, 8))
    ticket = await checkout.admit(caller, "one", prepared)
    receipt = await checkout.record(ticket, ended(), b"prompt", b"output")

    assert (caller.tenant, caller.consent) == ("10.0.0.7", None)
    assert (ticket.tenant, ticket.granted_tokens, ticket.admission) == ("10.0.0.7", 4, None)
    assert await checkout.announce(ticket) == {}
    (stored,) = await shop.receipts.latest()
    expected = ZERO_BYTES32 if adapter is None else adapter_key(ZERO_BYTES32, 0, b"\xaa" * 32, b"\xbb" * 32)
    assert (stored.receipt.adapter_key, stored.receipt.fee) == (expected, 0)
    assert receipt.headers == {}


async def test_a_released_request_leaves_no_receipt(shop: Shop) -> None:
    checkout = FreeCheckout(FreeMetering(shop.database, OPERATOR), BASE)
    caller = await checkout.authenticate(call("10.0.0.7"), None, Bounds(1, 4))

    await checkout.release(await checkout.admit(caller, "one", Prepared(ResolvedModel("m"), (5,), 4)))

    assert list(await shop.receipts.latest()) == []
