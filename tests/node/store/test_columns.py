"""Column types for money and hashes, and arithmetic on money in SQL."""

import pytest
from hypothesis import given
from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from contracts.crypto import Bytes32
from node.store.columns import Amount, largest, least, minus_or_zero, plus
from tests.node.store.channel_laws import amounts, law, run


def test_a_word_has_32_bytes() -> None:
    from node.store.columns import Word

    with pytest.raises(ValueError, match="expected 32 bytes"):
        Word().process_bind_param(Bytes32(b"short"), None)  # type: ignore[arg-type]


@law
@given(a=amounts, b=amounts, c=amounts)
def test_sql_counts_like_integers(session: Session, a: int, b: int, c: int) -> None:
    def change(session: Session) -> tuple[int, int, int, int, bool]:
        x, y, z = (literal(value, Amount()) for value in (a, b, c))
        sums = plus(x, y, z), minus_or_zero(x, y), least(x, y), largest(x, y)
        row = session.execute(select(*sums, plus(x, y) <= z)).one()
        return row[0], row[1], row[2], row[3], bool(row[4])

    assert run(session, change) == (a + b + c, max(a - b, 0), min(a, b), max(a, b), a + b <= c)
