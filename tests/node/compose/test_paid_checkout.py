"""Whose a paid request is."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.crypto import ZERO_BYTES32
from node.checkout import Call
from node.compose.paid_checkout import PaidCheckout
from node.labels import Labels
from serving.types import Prepared
from tests.node.payments.payer import BODY, NOW, PATH, Payer, key
from tests.node.payments.shop import RECEIVER, Shop, open_shop

FEE = 10**15


class OneModel:
    """As much of a service as a checkout asks for."""

    context_tokens = 256

    def resolve(self, model: str) -> None:
        """Every name is the base."""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/node.db") as opened:
        yield opened


async def tenant_of(shop: Shop, payer: Payer, request_id: str) -> str:
    await shop.funded(payer, 10 * FEE)
    price_list = shop.registrations.price_list_at(ZERO_BYTES32, NOW)
    assert price_list is not None
    request = payer.request(
        max_fee=FEE,
        price_hash=price_list.value.struct_hash(),
        adapter_key=ZERO_BYTES32,
        deadline=int(time.time()) + 60,
    )
    headers = payer.headers(request, payer.voucher(FEE))
    checkout = PaidCheckout(shop.payments, shop.metering, shop.registrations, OneModel(), Labels({}))  # type: ignore[arg-type]
    call = Call("POST", PATH, f"http://127.0.0.1{PATH}", headers, BODY, "127.0.0.1")
    ask = await checkout.authenticate(call, "base", 4)
    ticket = await checkout.admit(ask, request_id, Prepared("base", None, (5, 6, 7), 4))
    return ticket.tenant


async def test_who_funds_a_channel_in_another_s_name_is_not_that_other_s_tenant(shop: Shop) -> None:
    """The escrow lets anybody pay into a channel with any `payer`; only the signature on the request proves a key."""
    owner, stranger = Payer(RECEIVER), Payer(RECEIVER, session=key("stranger"))

    tenants = [await tenant_of(shop, payer, name) for name, payer in (("one", owner), ("two", stranger))]

    assert owner.config.payer == stranger.config.payer
    assert tenants == [owner.session.address, stranger.session.address]
