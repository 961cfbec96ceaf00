"""Amounts are shown and read without losing a base unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.failures import UsageFailure
from node.cli.money import amount, base_units


@given(st.integers(min_value=0, max_value=2**128 - 1))
def test_what_is_shown_reads_back_exactly(value: int) -> None:
    assert base_units(amount(str(value))) == value


def test_a_bare_number_is_base_units() -> None:
    assert base_units("1500") == 1500
    assert base_units("1.5OPEN") == 1_500_000_000_000_000_000


@pytest.mark.parametrize("text", ["1.5", "-1", "1e18", "OPEN", "1.0000000000000000001OPEN", "١"])
def test_what_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure):
        base_units(text)
