"""One free node with the starter pack for all HTTP tests of a worker."""

from collections.abc import Iterator

import httpx2
import openai
import pytest

from node import starter
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
