"""How many confirmations each chain needs."""

import pytest

from node.chain.finality import DEV_CHAIN_ID, Finality, finality_of


@pytest.mark.parametrize(("chain_id", "confirmations"), [(DEV_CHAIN_ID, 0), (1, 12), (8453, 15), (987_654, 6)])
def test_each_chain_has_a_default_and_the_operator_may_choose(chain_id: int, confirmations: int) -> None:
    assert finality_of(chain_id).confirmations == confirmations
    assert finality_of(chain_id, 3).confirmations == 3
    assert finality_of(chain_id, 0).confirmations == 0


def test_only_the_dev_chain_is_never_doubted() -> None:
    assert finality_of(DEV_CHAIN_ID) == Finality()
    assert finality_of(1, 0).lag_s > 0
    assert finality_of(1, 0).max_ahead_s is not None
