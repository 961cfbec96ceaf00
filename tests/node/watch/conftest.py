"""A chain per run, with a vault per test that has posted a batch."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from node.watch.registries import Registries
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import Market, Town, fund, new_stall, open_market, running_town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("watched-chain") / "home") as running:
        yield running


@pytest.fixture
def challenger(town: Town) -> Challenger:
    """Named before `market` by a test, it is ready before the window of the batch begins."""
    return Challenger(town)


@pytest.fixture
async def market(town: Town, tmp_path: Path) -> AsyncIterator[Market]:
    """A node that has served three requests and posted them."""
    async with open_market(town, tmp_path, new_stall(town)) as opened:
        await fund(opened)
        for adapter in ("dermatology", None, "nutrition"):
            await opened.serve(adapter)
        await opened.settlement.cycle.run(opened.now, force=True)
        yield opened


@pytest.fixture
def registries(market: Market) -> Registries:
    return Registries(market.client, market.town.chain.deployment)
