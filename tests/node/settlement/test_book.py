"""The book of a ledger: rebuilt from the database, and never from a changed one."""

from pathlib import Path

import pytest

from node.settlement.errors import LedgerBroken
from node.store.settlement_tables import BatchRow
from tests.node.settlement.market import Town, fund, new_stall, open_market


async def test_a_changed_header_in_the_database_is_noticed_at_the_start(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve()
        await market.settlement.batcher.cut()
        table = BatchRow.__table__  # type: ignore[attr-defined]
        await market.database.write(lambda session: session.execute(table.update().values(header_hash=b"\x02" * 32)))

    with pytest.raises(LedgerBroken, match="epoch 1"):
        async with open_market(town, tmp_path, stall):
            pass
