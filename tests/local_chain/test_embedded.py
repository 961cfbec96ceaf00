"""The py-evm engine as a backend: its port, its files, and the limits of its process."""

import socket
import sys
from pathlib import Path

import httpx2
import pytest
from eth import EVM_RECURSION_LIMIT

from local_chain.client import RpcClient
from local_chain.embedded import DATABASE_NAME, PyevmBackend
from local_chain.errors import CorruptChain, PortInUse


def test_a_restarted_backend_continues_the_chain_of_its_file(tmp_path: Path) -> None:
    heads = []
    for _ in range(2):
        backend = PyevmBackend(tmp_path)
        backend.start(0)
        client = RpcClient(backend.rpc_url)
        client.call("evm_mine")
        heads.append((client.head().number, client.genesis_hash()))
        backend.stop()

    assert heads == [(1, heads[0][1]), (2, heads[0][1])]
    assert (tmp_path / DATABASE_NAME).is_file()


def test_a_port_in_use_is_refused_by_its_number(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortInUse, match=str(port)):
            PyevmBackend(tmp_path).start(port)


def test_a_damaged_file_is_refused_and_the_port_is_free_again(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"junk" * 1000)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(CorruptChain, match="chain reset"):
        PyevmBackend(tmp_path).start(port)

    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_deeply_nested_json_leaves_the_process_alive(tmp_path: Path) -> None:
    backend = PyevmBackend(tmp_path)
    backend.start(0)

    answer = httpx2.post(backend.rpc_url, content=b"[" * 200_000, timeout=30)

    assert answer.json()["error"]["code"] == -32700
    assert backend.running()
    assert sys.getrecursionlimit() <= EVM_RECURSION_LIMIT
    backend.stop()


def test_stopping_a_backend_that_never_started_does_nothing(tmp_path: Path) -> None:
    backend = PyevmBackend(tmp_path)

    backend.stop()

    assert not backend.running()
