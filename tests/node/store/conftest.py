"""Every test of the store that asks for `database_url` runs on both databases."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from node.store.database import Database
from tests.node.store.postgres import create_database, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/node.db"
    server: str = request.getfixturevalue("postgres_server")
    return create_database(server, f"node_{uuid.uuid4().hex}")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
