"""Prices and splits: every base unit of a fee goes to exactly one payee."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.split import TREASURY, InvalidSplit, Payee, lines
from contracts.crypto import ZERO_BYTES32
from contracts.fees import MILLION, usage_fee
from contracts.structs import DatanetLink, PriceList, Terms
from tests.attribution.ledgers import (
    ADAPTERS,
    NODE,
    OPEN,
    OPERATOR,
    OWNERS,
    price_list,
    terms,
    word,
)

PRICES = st.integers(0, 2**96 - 1)
TOKENS = st.integers(0, 2**32 - 1)


@st.composite
def splits(draw: st.DrawFn) -> tuple[PriceList, Terms]:
    """A price list and terms as the registries allow them: parts within the whole, Datanet ppm summing to a million."""
    treasury = draw(st.integers(0, 200_000))
    royalty = draw(st.integers(0, 800_000))
    data = draw(st.integers(0, 800_000 - royalty))
    cuts = sorted(draw(st.sets(st.integers(1, MILLION - 1), max_size=15)))
    ppm = [upper - lower for lower, upper in zip([0, *cuts], [*cuts, MILLION], strict=True)]
    links = tuple(DatanetLink(word(f"net {i}"), i + 1, part) for i, part in enumerate(ppm))
    owner = draw(st.sampled_from([*OWNERS, OPERATOR]))
    prices = PriceList(NODE, ZERO_BYTES32, *(draw(PRICES) for _ in range(4)), OPERATOR, treasury)
    return prices, Terms(ADAPTERS[0], owner, royalty, data, 0, ZERO_BYTES32, links)


@given(splits(), st.integers(0, 2**128 - 1))
def test_lines_sum_to_the_fee_and_none_is_empty(split: tuple[PriceList, Terms], fee: int) -> None:
    made = lines(fee, *split)

    assert sum(made.values()) == fee
    assert all(amount > 0 for amount in made.values())


@given(splits(), st.integers(1, 2**128 - 1))
def test_nobody_but_the_operator_gets_more_than_its_part(split: tuple[PriceList, Terms], fee: int) -> None:
    prices, agreed = split
    operator = Payee.of_address(OPERATOR)

    made = lines(fee, prices, agreed)

    assert made.get(TREASURY, 0) == fee * prices.treasury_ppm // MILLION
    for link in agreed.datanets:
        payee = Payee.of_datanet(link.datanet_id, link.version)
        assert made.get(payee, 0) == fee * agreed.data_ppm * link.ppm // MILLION**2
    kept = MILLION - prices.treasury_ppm - agreed.data_ppm - (agreed.royalty_ppm if agreed.owner != OPERATOR else 0)
    assert made.get(operator, 0) >= fee * kept // MILLION


@given(PRICES, PRICES, PRICES, PRICES, TOKENS, TOKENS, TOKENS)
def test_a_price_is_the_exact_cost_rounded_up_once(p: int, c: int, o: int, least: int, i: int, k: int, n: int) -> None:
    prices = PriceList(NODE, ZERO_BYTES32, p, c, o, least, OPERATOR, 0)
    exact = i * p + k * c + n * o

    fee = usage_fee(prices, i, k, n)

    assert fee >= least
    assert fee == least or (fee - 1) * MILLION < exact <= fee * MILLION


def test_a_request_of_the_dermatology_adapter_pays_everybody_its_part() -> None:
    fee = usage_fee(price_list(), 120, 0, 80)

    made = lines(fee, price_list(), terms(0))

    link = terms(0).datanets[0]
    assert fee == 120 * 2 * OPEN // MILLION + 80 * 8 * OPEN // MILLION == 880_000_000_000_000
    assert made == {
        TREASURY: fee // 10,
        Payee.of_address(OWNERS[0]): fee // 5,
        Payee.of_datanet(link.datanet_id, link.version): fee // 2,
        Payee.of_address(OPERATOR): fee // 5,
    }


def test_the_base_pays_no_royalty_and_no_data_part() -> None:
    assert set(lines(1_000, price_list(), None)) == {TREASURY, Payee.of_address(OPERATOR)}


def test_lines_of_one_payee_are_summed() -> None:
    agreed = Terms(ADAPTERS[0], OPERATOR, 200_000, 0, 0, ZERO_BYTES32, ())

    made = lines(1_000, price_list(), agreed)

    assert made == {TREASURY: 100, Payee.of_address(OPERATOR): 900}


def test_parts_above_the_whole_fee_are_refused() -> None:
    greedy = Terms(ADAPTERS[0], OWNERS[0], 600_000, 400_000, 0, ZERO_BYTES32, terms(0).datanets)

    with pytest.raises(InvalidSplit, match="leave -100"):
        lines(1_000, price_list(), greedy)


def test_an_address_payee_knows_its_address_and_a_datanet_has_none() -> None:
    assert Payee.of_address(OPERATOR).address == OPERATOR
    with pytest.raises(ValueError, match="no address"):
        _ = Payee.of_datanet(word("net"), 1).address
