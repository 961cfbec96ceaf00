"""The interface of both engines: when a chain answers, and where."""

import socket
from pathlib import Path

import pytest

from local_chain.anvil import AnvilBackend
from local_chain.backend import ENGINES, HOST, ChainBackend, Engine
from local_chain.client import RpcClient
from local_chain.embedded import PyevmBackend
from local_chain.errors import ChainUnreachable
from local_chain.genesis import CHAIN_ID


@pytest.fixture
def backend(engine: Engine, tmp_path: Path) -> ChainBackend:
    return AnvilBackend(tmp_path) if engine == "anvil" else PyevmBackend(tmp_path)


def test_a_chain_answers_between_start_and_stop_only(backend: ChainBackend) -> None:
    before = backend.running()

    backend.start(0)

    client = RpcClient(backend.rpc_url)
    assert not before
    assert backend.running()
    assert client.chain_id() == CHAIN_ID
    backend.stop()
    assert not backend.running()
    with pytest.raises(ChainUnreachable):
        client.chain_id()


def test_a_chain_listens_on_the_given_port_of_loopback(backend: ChainBackend) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]

    backend.start(port)

    assert backend.rpc_url == f"http://127.0.0.1:{port}"
    backend.stop()


def test_each_backend_names_its_engine(tmp_path: Path) -> None:
    backends: list[ChainBackend] = [PyevmBackend(tmp_path), AnvilBackend(tmp_path)]

    assert tuple(backend.engine for backend in backends) == ENGINES
    assert all(backend.home == tmp_path for backend in backends)
