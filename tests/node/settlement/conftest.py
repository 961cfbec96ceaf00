"""A database of its own for each test of settlement."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/node.db")
    yield opened
    await opened.close()
