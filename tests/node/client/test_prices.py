"""The payer prices a request exactly as the node and the contract do."""

from hypothesis import given
from hypothesis import strategies as st

from attribution.receipts import price
from contracts.crypto import ZERO_BYTES32
from contracts.structs import PriceList
from node.client.node import Prices
from tests.node.client.answers import OPERATOR, VAULT

tokens = st.integers(0, 2**32 - 1)
amounts = st.integers(0, 2**80)
prices = st.builds(Prices, amounts, amounts, amounts, amounts)


@given(prices, tokens, tokens, tokens)
def test_the_fee_is_the_protocols(prices: Prices, tokens_in: int, cached: int, out: int) -> None:
    registered = PriceList(
        node=VAULT,
        adapter_key=ZERO_BYTES32,
        prompt_per_m=prices.prompt_per_m,
        cached_per_m=prices.cached_per_m,
        output_per_m=prices.output_per_m,
        min_fee=prices.min_fee,
        operator_payee=OPERATOR.address,
        treasury_ppm=100_000,
    )

    assert prices.fee(tokens_in, cached, out) == price(registered, tokens_in, cached, out)


@given(prices, tokens, tokens, tokens, tokens, tokens)
def test_no_request_within_the_bound_costs_more(
    prices: Prices, tokens_in: int, cached: int, out: int, spare_in: int, spare_out: int
) -> None:
    assert prices.fee(tokens_in, cached, out) <= prices.bound(tokens_in + cached + spare_in, out + spare_out)
