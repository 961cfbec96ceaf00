from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node.payments.payer import Payer
from tests.node.payments.shop import RECEIVER, Shop, open_shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/node.db") as opened:
        yield opened


@pytest.fixture
def payer() -> Payer:
    return Payer(RECEIVER)
