from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from contracts.crypto import PrivateKey, keccak
from node.client.auth import WalletAuth
from tests.node.client.answers import OPEN
from tests.node.client.node_side import URL, NodeSide

PAYER = PrivateKey(keccak(b"payer"))


@pytest.fixture
def node() -> NodeSide:
    return NodeSide()


@pytest.fixture
def auth(tmp_path: Path) -> WalletAuth:
    return WalletAuth(PAYER, tmp_path, deposit=OPEN)


@pytest.fixture
def client(node: NodeSide, auth: WalletAuth) -> Iterator[httpx2.Client]:
    with httpx2.Client(transport=node, auth=auth, base_url=URL) as client:
        yield client


@pytest.fixture
def ask(client: httpx2.Client) -> Callable[..., httpx2.Response]:
    """One chat request to a model; keyword arguments go into the body."""

    def send(model: str = "dermatology", **fields: object) -> httpx2.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 16, **fields}
        return client.post("/v1/chat/completions", json=body)

    return send
