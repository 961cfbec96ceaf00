"""One development node for all end-to-end tests of a worker."""

from collections.abc import Iterator

import pytest

from tests.e2e.node_process import NodeProcess, started


@pytest.fixture(scope="session")
def running_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """`python -m node start --dev` with chain, model and adapters, ready."""
    with started(tmp_path_factory.mktemp("dev-node"), "--dev") as node:
        yield node
