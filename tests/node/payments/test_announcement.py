"""What answers announce as charged, as a client adds it up."""

from hypothesis import given
from hypothesis import strategies as st

from node.payments.announcement import charge_of_stream, charge_of_whole_answer


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100), st.booleans()), max_size=50))
def test_what_is_announced_covers_the_fees_and_never_exceeds_the_amount(answers: list[tuple[int, int, bool]]) -> None:
    announced, charged = 0, 0
    for amount, wanted, streamed in answers:
        fee = min(wanted, amount)
        credit = announced - charged
        charge = charge_of_stream(amount, credit) if streamed else charge_of_whole_answer(fee, credit)
        announced, charged = announced + charge, charged + fee

        assert charge <= amount
        assert charge >= 1 or fee == 0, "a receipt spends the voucher, so the next one must be another"
        assert charged <= announced


def test_credit_of_a_stream_lowers_later_charges() -> None:
    assert charge_of_stream(100, 0) == 100
    assert charge_of_whole_answer(30, 70) == 1
    assert charge_of_whole_answer(30, 10) == 20
    assert charge_of_stream(100, 30) == 70
