"""The fee is what the protocol's formula says, and no request within the bound costs more."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import ZERO_BYTES32, to_address
from contracts.fees import Prices, highest_fee, usage_fee
from contracts.structs import PriceList

TOKENS = st.integers(0, 2**32 - 1)
AMOUNTS = st.integers(0, 2**80)
NODE = to_address("0x" + "11" * 20)
PRICES = st.builds(
    lambda *amounts: PriceList(NODE, ZERO_BYTES32, *amounts, NODE, 0), AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS
)


@given(PRICES, TOKENS, TOKENS, TOKENS)
def test_the_fee_is_the_price_of_all_tokens_rounded_up_once(
    prices: Prices, tokens_in: int, cached: int, out: int
) -> None:
    exact = (
        Fraction(tokens_in * prices.prompt_per_m, 10**6)
        + Fraction(cached * prices.cached_per_m, 10**6)
        + Fraction(out * prices.output_per_m, 10**6)
    )

    assert usage_fee(prices, tokens_in, cached, out) == max(prices.min_fee, math.ceil(exact))


@given(PRICES, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_no_request_within_the_bound_costs_more(
    prices: Prices, tokens_in: int, cached: int, out: int, spare_in: int, spare_out: int
) -> None:
    bound = highest_fee(prices, tokens_in + cached + spare_in, out + spare_out)

    assert usage_fee(prices, tokens_in, cached, out) <= bound


@given(PRICES, TOKENS, TOKENS)
def test_the_bound_is_the_fee_of_a_request_that_can_happen(prices: Prices, prompt: int, new: int) -> None:
    assert highest_fee(prices, prompt, new) in (usage_fee(prices, prompt, 0, new), usage_fee(prices, 0, prompt, new))


def test_an_example() -> None:
    prices = PriceList(NODE, ZERO_BYTES32, 2_000_000, 1_000_000, 8_000_001, 50, NODE, 0)

    assert usage_fee(prices, 10, 2, 5) == 63  # 20 + 2 + 40.000005, rounded up
    assert usage_fee(prices, 1, 0, 1) == 50
    assert highest_fee(prices, 12, 5) == 65
