"""Every test of the store that asks for `database_url` runs on both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from node.store import schema
from node.store.connections import connect
from node.store.database import Database
from tests.node.store.postgres import empty, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    empty(postgres_server)
    return postgres_server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/node.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A transaction on an empty schema that is never committed."""
    connections = connect(database_url)
    with connections.writer.begin() as connection:
        schema.upgrade(connection)
    with Session(connections.writer) as opened:
        yield opened
    connections.dispose()
