"""The JSON document of an answer."""

import json

import pytest

from node.dev.starter import StarterAdapter, pack
from tests.node.cli.conftest import Cli


@pytest.fixture
def adapter() -> StarterAdapter:
    return pack().adapters[0]


def test_chat_tells_machines_everything(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    reply = json.loads(cli("chat", adapter.name, adapter.example, "--home", home, "--json").out)

    assert reply["usage"]["completion_tokens"] == int(reply["receipt"]["receipt"]["tokensOut"])
    assert reply["receipt"]["receipt"]["fee"] == "0"
