"""One running, deployed chain per engine for the whole folder. Nothing here may be missing: a skip would hide it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_chain.anvil import find_anvil
from local_chain.backend import ENGINES, Engine
from local_chain.errors import EngineMissing
from local_chain.launcher import RunningChain, start_chain
from tests.local_chain.engines import Chain


@pytest.fixture(scope="session", params=ENGINES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    engine: Engine = request.param
    require_engine(engine)
    chain = start_chain(tmp_path_factory.mktemp(engine), engine)
    yield chain
    chain.stop()


@pytest.fixture
def chain(running: RunningChain) -> Chain:
    """A chain of each engine in turn, with web3.py on it."""
    return Chain(running.rpc_url, running.deployment)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    found: Engine = request.param
    require_engine(found)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "chain"


def require_engine(engine: Engine) -> None:
    if engine == "anvil":
        try:
            find_anvil()
        except EngineMissing as error:
            pytest.fail(str(error))
