"""The caller's own connection to the chain."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_chain.deploy import deploy
from local_chain.deployment import Deployment
from local_chain.embedded import PyevmBackend
from node.chain.errors import ChainUnavailable
from node.cli.chain_connection import connect
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure
from node.home.deployment_file import write_deployment
from node.home.run_file import Running


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Deployment]]:
    backend = PyevmBackend(tmp_path_factory.mktemp("chain"))
    backend.start(0)
    yield backend.rpc_url, deploy(backend.rpc_url)
    backend.stop()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENLORA_HOME", str(tmp_path))
    return tmp_path


async def test_without_a_chain_the_failure_says_how_to_give_one(home: Path) -> None:
    with pytest.raises(ConfigurationFailure, match="No chain is configured") as refused:
        await connect(Context())

    assert "OPENLORA_CHAIN_RPC" in str(refused.value.fix)


async def test_without_addresses_the_failure_names_the_file(
    home: Path, chain: tuple[str, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLORA_CHAIN_RPC", chain[0])

    with pytest.raises(ConfigurationFailure, match=r"deployment\.json"):
        await connect(Context())


async def test_the_chain_of_the_home_s_node_is_used(home: Path, chain: tuple[str, Deployment]) -> None:
    Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", "dev", chain[0]).write(home)
    write_deployment(home, chain[1])

    client, deployment = await connect(Context())

    assert deployment == chain[1]
    assert client.chain_id == deployment.chain_id


async def test_the_configured_chain_goes_before_the_node_s(
    home: Path, chain: tuple[str, Deployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", "dev", chain[0]).write(home)
    (tmp_path / "other.json").write_text(json.dumps(chain[1].to_json()))
    monkeypatch.setenv("OPENLORA_CHAIN_RPC", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENLORA_DEPLOYMENT", str(tmp_path / "other.json"))

    with pytest.raises(ChainUnavailable):
        await connect(Context())
