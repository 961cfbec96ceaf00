"""Earnings by payee, day and adapter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.split import Payee, lines
from node.settlement.tally import DAY_S, Tally
from tests.attribution.ledgers import PAYERS, HonestNode


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 10))
def test_every_line_of_every_receipt_is_counted_once(seed: int, count: int) -> None:
    tally, expected = Tally(), dict[Payee, int]()
    for item in HonestNode().serve_many(count, seed):
        price_list, terms = item.evidence.price_list.value, item.evidence.terms.value if item.evidence.terms else None
        tally.add(item.receipt, price_list, terms)
        for payee, amount in lines(item.receipt.fee, price_list, terms).items():
            expected[payee] = expected.get(payee, 0) + amount

    for payee, amount in expected.items():
        assert tally.total(payee) == amount == sum(part for _, part in tally.cells(payee))
        assert [cell for cell, _ in tally.cells(payee)] == sorted(cell for cell, _ in tally.cells(payee))


def test_a_cell_is_the_day_on_which_a_receipt_finished() -> None:
    tally, item = Tally(), HonestNode().serve(PAYERS[0], 0)

    tally.add(item.receipt, item.evidence.price_list.value, item.evidence.terms and item.evidence.terms.value)

    days = {cell.day for payee in lines_of(tally, item.receipt.fee) for cell, _ in tally.cells(payee)}
    assert days == {item.receipt.finished_at // DAY_S}


def lines_of(tally: Tally, fee: int) -> list[Payee]:
    """The payees behind Datanet versions that earned something of `fee`."""
    found = [payee for payee in tally.versions if 0 < tally.total(payee) <= fee]
    assert found, "the item has terms with Datanets"
    return found


def test_a_payee_who_never_earned_has_nothing() -> None:
    nobody = Payee.of_address(PAYERS[0].address)

    assert Tally().total(nobody) == 0
    assert list(Tally().cells(nobody)) == []
