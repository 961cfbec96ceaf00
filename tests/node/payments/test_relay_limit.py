"""The node pays gas for a bounded number of deposits, and says when to try again."""

import pytest

from node.payments.errors import RelayLimited
from node.payments.relay_limit import WINDOW_S, RelayLimit
from tests.node.payments.payer import NOW
from tests.node.payments.shop import address

ALICE, BOB, CAROL = (address(name) for name in ("alice", "bob", "carol"))


def test_a_payer_waits_until_its_oldest_deposit_leaves_the_window() -> None:
    limit = RelayLimit(per_payer=2, in_all=9)
    limit.take(ALICE, NOW)
    limit.take(ALICE, NOW + 10)

    with pytest.raises(RelayLimited) as limited:
        limit.take(ALICE, NOW + 15)
    limit.take(BOB, NOW + 15)

    assert limited.value.retry_after_s == WINDOW_S - 15
    limit.take(ALICE, NOW + 15 + limited.value.retry_after_s)


def test_all_payers_share_a_limit() -> None:
    limit = RelayLimit(per_payer=2, in_all=2)
    limit.take(ALICE, NOW)
    limit.take(BOB, NOW)

    with pytest.raises(RelayLimited) as limited:
        limit.take(CAROL, NOW + 1)

    assert limited.value.retry_after_s == WINDOW_S - 1
    limit.take(CAROL, NOW + WINDOW_S)


def test_a_refused_deposit_does_not_count() -> None:
    limit = RelayLimit(per_payer=1, in_all=9)
    limit.take(ALICE, NOW)
    for second in range(1, WINDOW_S):
        with pytest.raises(RelayLimited):
            limit.take(ALICE, NOW + second)

    limit.take(ALICE, NOW + WINDOW_S)
