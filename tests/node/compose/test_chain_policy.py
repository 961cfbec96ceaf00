"""Settings become the policy of settlement."""

import pytest

from node.compose.chain_policy import settlement_policy
from node.config import load


@pytest.mark.parametrize(
    ("given", "chain_id", "confirmations"), [(None, 31337, 0), (None, 1, 12), (3, 1, 3), (2, 31337, 2)]
)
def test_events_and_transactions_need_the_same_confirmations(
    given: int | None, chain_id: int, confirmations: int
) -> None:
    policy = settlement_policy(load({"confirmations": given}, {}).settings, chain_id)

    assert policy.finality.confirmations == policy.outbox.confirmations == confirmations


def test_the_most_that_gas_may_cost_is_a_setting() -> None:
    environ = {"OPENLORA_MAX_GAS_PRICE_GWEI": "0.5", "OPENLORA_CONFIRMATIONS": "9"}
    policy = settlement_policy(load({}, environ).settings, 1)

    assert policy.outbox.max_fee_cap == 5 * 10**8
    assert policy.finality.confirmations == 9
