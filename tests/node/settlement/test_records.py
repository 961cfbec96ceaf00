"""Receipts with the values behind their hashes."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from node.settlement.errors import LedgerBroken
from node.settlement.records import reading
from tests.node.settlement.market import Market


async def test_records_come_in_order_with_everything_they_name(market: Market) -> None:
    served = [await market.serve(adapter) for adapter in ("dermatology", None)]

    records = await market.database.read(reading(market.payer.receiver.vault, 1, 10))

    assert [record.stored.receipt for record in records] == [issued.receipt for issued in served]
    assert [record.price_list.struct_hash() for record in records] == [one.receipt.price_hash for one in served]
    assert records[0].terms is not None
    assert records[0].terms.struct_hash() == served[0].receipt.terms_hash
    assert records[1].terms is None
    assert await market.database.read(reading(market.payer.receiver.vault, 2, 1)) == records[1:]


def delete(table: str) -> Callable[[Session], None]:
    return lambda session: session.execute(text(f"DELETE FROM {table}")) and None


@pytest.mark.parametrize(("table", "missing"), [("preimage", "its Terms is missing"), ("voucher", "its voucher")])
async def test_a_value_that_is_missing_breaks_the_ledger(market: Market, table: str, missing: str) -> None:
    await market.serve()
    await market.database.write(delete(table))

    with pytest.raises(LedgerBroken, match=missing):
        await market.database.read(reading(market.payer.receiver.vault, 1, 10))


async def test_a_number_that_is_missing_breaks_the_ledger(market: Market) -> None:
    for _ in range(2):
        await market.serve()
    await market.database.write(lambda session: session.execute(text("DELETE FROM receipt WHERE seq = 1")) and None)

    with pytest.raises(LedgerBroken, match="receipt 1: it is missing"):
        await market.database.read(reading(market.payer.receiver.vault, 1, 10))
