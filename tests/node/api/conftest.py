"""One free and one paid node with the starter pack for all HTTP tests of a worker."""

from collections.abc import Iterator

import httpx2
import openai
import pytest

from node.config import load
from node.dev import starter
from tests.node.api.paid import BODY, CHAT, paying
from tests.node.running import NodeThread, free_settings, node_thread


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeThread]:
    home = tmp_path_factory.mktemp("free-node")
    with node_thread(free_settings(home, max_body_bytes=100_000)) as running:
        yield running


@pytest.fixture
def http(node: NodeThread) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=node.url, timeout=60) as client:
        yield client


@pytest.fixture
def sdk(node: NodeThread) -> Iterator[openai.OpenAI]:
    """The official OpenAI client."""
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="package")
def adapter() -> starter.StarterAdapter:
    return starter.pack().adapters[0]


@pytest.fixture(scope="package")
def paid_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeThread]:
    """A development node with a real chain behind it."""
    home = tmp_path_factory.mktemp("paid-node")
    flags: dict[str, object] = {"home": home, "dev": True, "port": 0, "admin_port": 0, "device": "cpu", "dtype": "fp32"}
    with node_thread(load(flags, {}).settings) as running:
        yield running


@pytest.fixture(scope="package")
def client(paid_node: NodeThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A wallet whose channel is open."""
    with paying(paid_node.url, tmp_path_factory.mktemp("wallet")) as made:
        made.post(CHAT, json=BODY).raise_for_status()
        yield made
