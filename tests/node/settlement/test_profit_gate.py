"""The profit gate: a cycle runs when it is worth its gas, or when waiting would cost more."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.settlement.profit_gate import (
    CLAIM_GAS,
    CLAIM_GAS_PER_CHANNEL,
    POST_GAS,
    SWEEP_GAS,
    PendingValue,
    ProfitGate,
    reason_to_wait,
)

GATE = ProfitGate(tokens_per_coin=2, max_age_s=600)
NOW = 10_000


@given(st.integers(1, 10**24), st.integers(0, 500), st.integers(0, 10**12))
def test_value_is_settled_exactly_when_it_exceeds_its_gas(value: int, channels: int, gas_price: int) -> None:
    stakes = PendingValue(value, channels, oldest_at=NOW - 599, leaving=False)

    waits = reason_to_wait(GATE, stakes, gas_price, NOW)

    assert (waits is None) == (value > GATE.cost(channels, gas_price))


@given(st.integers(1, 100), st.integers(10**9, 10**12))
def test_old_receipts_and_leaving_payers_do_not_wait(value: int, gas_price: int) -> None:
    old = PendingValue(value, 1, oldest_at=NOW - 600, leaving=False)
    leaving = PendingValue(value, 1, oldest_at=NOW, leaving=True)

    assert reason_to_wait(GATE, old, gas_price, NOW) is None
    assert reason_to_wait(GATE, leaving, gas_price, NOW) is None


def test_nothing_is_never_settled() -> None:
    assert reason_to_wait(GATE, PendingValue(0, 0, 0, leaving=True), 0, NOW) == "nothing to settle"


def test_the_gas_of_each_step_is_what_the_contracts_need() -> None:
    snapshot = Path(__file__).parents[3] / "contracts" / "test" / "snapshots" / "gas.json"
    measured = {name: int(gas) for name, gas in json.loads(snapshot.read_text()).items()}

    assert pytest.approx(measured["settlement.post later"], rel=0.02) == POST_GAS
    assert pytest.approx(measured["vault.sweep later"], rel=0.02) == SWEEP_GAS
    one, ten = CLAIM_GAS + CLAIM_GAS_PER_CHANNEL, CLAIM_GAS + 10 * CLAIM_GAS_PER_CHANNEL
    assert one == pytest.approx(measured["vault.claimVouchers 1 channel later"], rel=0.02)
    assert ten == pytest.approx(measured["vault.claimVouchers 10 channels first"], rel=0.02)
