"""The stateful suite of the contracts: short by default, long in `make test-full`."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.ledger_rules import LedgerRules

ANY_PACE = list(HealthCheck)


def test_the_laws_hold_after_any_few_steps() -> None:
    short = settings(max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=ANY_PACE)
    run_state_machine_as_test(LedgerRules, settings=short)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_the_laws_hold_after_any_many_steps() -> None:
    long = settings(max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=ANY_PACE)
    run_state_machine_as_test(LedgerRules, settings=long)
