"""Whose a paid request is."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.crypto import ZERO_BYTES32
from contracts.fees import highest_fee
from contracts.structs import PriceList
from node.compose.paid_checkout import PaidCheckout
from node.metering.checkout import HttpCall, Ticket
from node.metering.payee_labels import Labels
from node.payments.bounds import Bounds
from node.payments.errors import FeeAboveMax
from serving.types import Prepared, ResolvedModel
from tests.node.payments.payer import BODY, NOW, PATH, Payer, key
from tests.node.payments.shop import RECEIVER, Shop, open_shop

FEE = 10**15


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/node.db") as opened:
        opened.registrations.now = int(time.time())
        yield opened


def price_list_of(shop: Shop) -> PriceList:
    registered = shop.registrations.price_list_at(ZERO_BYTES32, NOW)
    assert registered is not None
    return registered.value


async def admitted(shop: Shop, payer: Payer, request_id: str, *, choices: int = 1, max_fee: int = FEE) -> Ticket:
    """A request for 3 prompt tokens and up to 4 output tokens of each choice."""
    await shop.funded(payer, 10 * FEE)
    request = payer.request(
        max_fee=max_fee,
        price_hash=price_list_of(shop).struct_hash(),
        adapter_key=ZERO_BYTES32,
        deadline=int(time.time()) + 60,
    )
    headers = payer.headers(request, payer.voucher(FEE))
    checkout = PaidCheckout(shop.payments, shop.metering, shop.registrations, Labels({}))
    call = HttpCall("POST", PATH, headers, BODY, "127.0.0.1")
    caller = await checkout.authenticate(call, None, Bounds(3, 4 * choices))
    return await checkout.admit(caller, request_id, Prepared(ResolvedModel("base"), (5, 6, 7), 4, choices=choices))


async def test_who_funds_a_channel_in_another_s_name_is_not_that_other_s_tenant(shop: Shop) -> None:
    """The escrow lets anybody pay into a channel with any `payer`; only the signature on the request proves a key."""
    owner, stranger = Payer(RECEIVER), Payer(RECEIVER, session=key("stranger"))

    tenants = [(await admitted(shop, payer, name)).tenant for name, payer in (("one", owner), ("two", stranger))]

    assert owner.config.payer == stranger.config.payer
    assert tenants == [owner.session.address, stranger.session.address]


async def test_the_signed_fee_must_cover_every_choice(shop: Shop) -> None:
    exactly = {choices: highest_fee(price_list_of(shop), 3, choices * 4) for choices in (1, 3)}

    ticket = await admitted(shop, Payer(RECEIVER), "one", choices=3, max_fee=exactly[3])
    with pytest.raises(FeeAboveMax):
        await admitted(shop, Payer(RECEIVER), "two", choices=3, max_fee=exactly[3] - 1)

    assert exactly[3] > exactly[1]
    assert ticket.granted_tokens == 4
