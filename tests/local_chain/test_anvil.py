"""Where anvil is found, and what an anvil chain keeps between two starts."""

import platform
import socket
import sys
from pathlib import Path

import pytest

from local_chain.anvil import AnvilBackend, find_anvil
from local_chain.client import RpcClient
from local_chain.errors import EngineMissing, PortInUse
from local_chain.genesis import predeployed_code
from tests.local_chain.conftest import require_engine


def test_anvil_missing_is_refused_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineMissing, match="npm ci"):
        find_anvil(tmp_path / "node_modules")


def test_without_the_npm_package_anvil_is_taken_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_anvil(tmp_path / "node_modules") == program


def test_the_npm_package_precedes_the_path(tmp_path: Path) -> None:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"anvil-{sys.platform}-{architecture}"
    packaged = tmp_path / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    packaged.parent.mkdir(parents=True)
    packaged.write_text("")

    assert find_anvil(tmp_path / "node_modules") == packaged


def test_block_zero_and_the_predeployed_code_are_the_same_after_a_restart(tmp_path: Path) -> None:
    require_engine("anvil")
    genesis_hashes = []
    for _ in range(2):
        backend = AnvilBackend(tmp_path)
        backend.start(0)
        client = RpcClient(backend.rpc_url)
        genesis_hashes.append(client.genesis_hash())
        for address, code in predeployed_code().items():
            assert client.call("eth_getCode", address, "latest") == "0x" + code.hex()
        backend.stop()

    assert genesis_hashes[0] == genesis_hashes[1]


def test_a_port_in_use_is_refused_before_anvil_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortInUse, match=str(port)):
            AnvilBackend(tmp_path).start(port)
