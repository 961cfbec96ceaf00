import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import ZERO_BYTES32, keccak
from contracts.fees import highest_fee, usage_fee
from node.payments.bounds import Bounds
from node.payments.errors import (
    FeeAboveMax,
    PaymentInvalid,
    PaymentRequired,
    PriceExpired,
    PriceUnknown,
)
from serving.errors import NotReady
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import ADAPTER, PRICES, Shop

FEE = 10**15


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file of this process may grow beyond the size that `file` has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_request_names_the_adapter_it_pays_for(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 3 * FEE)
    ask = shop.ask(payer, max_fee=FEE, signed_max=FEE)

    with pytest.raises(PaymentInvalid, match="the body's model has"):
        await shop.payments.admit(
            ask, request_id="one", adapter_key=keccak(b"cardiology"), prompt_tokens=1, max_new_tokens=1, now=NOW
        )


async def test_a_price_holds_until_its_successor_starts(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    asks = [shop.ask(payer, max_fee=FEE, signed_max=9 * FEE) for _ in range(2)]
    shop.registrations.register_price(replace(PRICES, output_per_m=1), from_=NOW + 10)

    await shop.admit(asks[0], "before", now=NOW + 9)
    with pytest.raises(PriceExpired) as expired:
        await shop.admit(asks[1], "after", now=NOW + 10)

    assert expired.value.signed == PRICES.struct_hash()
    assert expired.value.current == replace(PRICES, output_per_m=1).struct_hash()


async def test_the_chains_clock_decides_when_it_is_ahead(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    ask = shop.ask(payer, max_fee=FEE, signed_max=9 * FEE)
    shop.registrations.register_price(replace(PRICES, output_per_m=1), from_=NOW + 1000)
    shop.registrations.now = NOW + 1000

    with pytest.raises(PriceExpired):
        await shop.admit(ask, "one", now=NOW)


async def test_a_max_fee_that_might_not_suffice_is_refused_with_the_bound(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    bound = usage_fee(PRICES, 10, 0, 10)

    with pytest.raises(FeeAboveMax) as above:
        await shop.admit(shop.ask(payer, max_fee=bound - 1, signed_max=FEE), "one")
    await shop.admit(shop.ask(payer, max_fee=bound, signed_max=FEE), "two")

    assert above.value.numbers()["required"] == str(bound)


async def test_nothing_is_sold_without_a_registered_price(shop: Shop) -> None:
    shop.registrations.prices.clear()

    with pytest.raises(PriceUnknown):
        shop.payments.quote(ADAPTER, 1, 1, NOW)


async def test_an_adapters_own_price_list_comes_before_the_nodes_default(shop: Shop) -> None:
    own = replace(PRICES, adapter_key=ADAPTER, min_fee=5)
    shop.registrations.register_price(own)

    assert shop.payments.quote(ADAPTER, 1, 1, NOW).price_hash == own.struct_hash()
    assert shop.payments.quote(ZERO_BYTES32, 1, 1, NOW).price_hash == PRICES.struct_hash()
    assert shop.payments.quote(ZERO_BYTES32, 1, 1, NOW).terms_hash == ZERO_BYTES32


async def test_a_quote_is_what_a_request_needs_and_ends_with_its_price_list(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 9 * FEE)
    shop.registrations.register_price(replace(PRICES, min_fee=1), from_=NOW + 7)
    quote = shop.payments.quote(ADAPTER, 10, 10, NOW)

    await shop.admit(shop.ask(payer, max_fee=quote.max_fee, signed_max=FEE), "one")

    assert quote.valid_until == NOW + 7


@given(prompt=st.integers(0, 10**6), cached=st.integers(0, 10**6), output=st.integers(0, 10**6), data=st.data())
def test_no_way_to_serve_a_request_costs_more_than_its_highest_fee(
    prompt: int, cached: int, output: int, data: st.DataObject
) -> None:
    rates = st.integers(0, 2**96 - 1)
    price_list = replace(
        PRICES,
        prompt_per_m=data.draw(rates),
        cached_per_m=data.draw(rates),
        output_per_m=data.draw(rates),
        min_fee=data.draw(rates),
    )
    produced = data.draw(st.integers(0, output))

    assert usage_fee(price_list, prompt, cached, produced) <= highest_fee(price_list, prompt + cached, output)


def test_the_demand_of_an_unpaid_call_carries_the_price(shop: Shop) -> None:
    demand = shop.payments.payment_required(ADAPTER, Bounds(10, 10), NOW)

    assert demand.numbers()["required"] == str(usage_fee(PRICES, 10, 0, 10))
    assert isinstance(demand, PaymentRequired)


async def test_a_node_that_may_not_sell_reserves_nothing(shop: Shop, payer: Payer) -> None:
    await shop.funded(payer, 100 * FEE)
    ask = shop.ask(payer, max_fee=2 * FEE, signed_max=50 * FEE)
    shop.sales.hold("stake", "bond more")

    with pytest.raises(NotReady, match="bond more"):
        await shop.admit(ask, "one")
    held = (await shop.channel(payer)).reserved
    shop.sales.allow("stake")

    assert held == 0
    assert (await shop.admit(ask, "one")).reserved == 2 * FEE


async def test_a_release_that_the_disk_refuses_is_repeated_until_it_is_done(
    shop: Shop, payer: Payer, tmp_path: Path
) -> None:
    await shop.funded(payer, 100 * FEE)
    await shop.admit(shop.ask(payer, max_fee=2 * FEE, signed_max=50 * FEE), "one")

    with full_disk(tmp_path / "node.db-wal"):
        await shop.payments.release("one")
        during = (await shop.channel(payer)).reserved
    async with asyncio.timeout(20):
        while (await shop.channel(payer)).reserved:  # noqa: ASYNC110  # nothing announces the retry
            await asyncio.sleep(0.05)

    assert during == 2 * FEE
