"""Chains for the tests of this folder. A missing engine fails a test and is never skipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_chain.anvil import find_anvil
from local_chain.backend import ENGINES, Engine
from local_chain.embedded import PyevmBackend
from local_chain.errors import EngineMissing
from local_chain.launcher import RunningChain, start_chain
from local_chain.pyevm.chain import PyevmChain
from tests.local_chain.engines import Chain


@pytest.fixture(scope="session", params=ENGINES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """A running chain of each engine with its contracts, for the whole session."""
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
    each: Engine = request.param
    require_engine(each)
    return each


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directory of a chain that does not exist yet."""
    return tmp_path / "chain"


@pytest.fixture
def rpc_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a new py-evm chain without the protocol's contracts."""
    backend = PyevmBackend(tmp_path)
    backend.start(0)
    yield backend.rpc_url
    backend.stop()


@pytest.fixture
def pyevm(tmp_path: Path) -> Iterator[PyevmChain]:
    """A new py-evm chain without HTTP."""
    chain = PyevmChain(tmp_path / "pyevm.sqlite")
    yield chain
    chain.close()


def require_engine(engine: Engine) -> None:
    """Fails the test if the engine is not installed."""
    if engine == "anvil":
        try:
            find_anvil()
        except EngineMissing as error:
            pytest.fail(str(error))
