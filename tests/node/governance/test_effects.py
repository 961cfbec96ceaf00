"""What a change would have meant for receipts that exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.batch import Item
from attribution.split import InvalidSplit
from node.governance.effects import effect_of_treasury_ppm, effect_of_window
from tests.attribution.ledgers import PAYERS, HonestNode


def items(seed: int, count: int = 8) -> list[Item]:
    return HonestNode().serve_many(count, seed)


@given(st.integers(0, 200_000), st.integers(0, 20))
def test_a_change_moves_money_between_treasury_and_operators_and_none_is_lost(ppm: int, seed: int) -> None:
    found = effect_of_treasury_ppm(items(seed), ppm)

    fees = sum(item.receipt.fee for item in items(seed))
    assert sum(found.before.values()) == sum(found.after.values()) == fees
    assert found.before.get("adapter owners") == found.after.get("adapter owners")
    assert found.before.get("Datanets") == found.after.get("Datanets")
    assert found.after.get("treasury", 0) <= fees * ppm // 10**6


def test_the_present_part_changes_nothing() -> None:
    found = effect_of_treasury_ppm(items(1), 100_000)

    assert found.before == found.after
    assert found.receipts == 8


def test_a_part_that_leaves_nothing_for_the_operator_is_no_split() -> None:
    served = [HonestNode().serve(PAYERS[0], 0)]  # royalty and data part take 70 %

    with pytest.raises(InvalidSplit):
        effect_of_treasury_ppm(served, 300_001)


def test_a_node_without_receipts_shows_no_amounts() -> None:
    assert effect_of_treasury_ppm((), 50_000).before == {}


def test_a_longer_window_holds_the_fees_of_a_longer_time() -> None:
    served = items(1)
    span_s = max(item.receipt.finished_at for item in served) - min(item.receipt.started_at for item in served)
    fees = sum(item.receipt.fee for item in served)

    found = effect_of_window(served, span_s, 3 * span_s)

    assert (found.receipts, found.window_before, found.window_after) == (8, span_s, 3 * span_s)
    assert (found.waiting_before, found.waiting_after) == (fees, 3 * fees)


@given(st.integers(1, 604_800), st.integers(1, 604_800), st.integers(0, 20))
def test_fees_in_windows_grow_with_the_window(present_s: int, proposed_s: int, seed: int) -> None:
    found = effect_of_window(items(seed), present_s, proposed_s)

    assert (found.waiting_after - found.waiting_before) * (proposed_s - present_s) >= 0
    assert found.waiting_before > 0


def test_a_node_without_receipts_has_no_fees_in_windows() -> None:
    found = effect_of_window((), 5, 3600)

    assert (found.waiting_before, found.waiting_after, found.window_after) == (0, 0, 3600)
