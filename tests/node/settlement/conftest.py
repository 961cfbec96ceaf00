"""A database per test of the outbox; a chain per run and a vault per test of the whole cycle."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from node.store.database import Database
from tests.node.settlement.market import Market, Town, fund, new_stall, open_market, running_town


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/node.db")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("chain") / "home") as running:
        yield running


@pytest.fixture
async def market(town: Town, tmp_path: Path) -> AsyncIterator[Market]:
    async with open_market(town, tmp_path, new_stall(town)) as opened:
        await fund(opened)
        yield opened
