"""`chat` with a free node."""

import io

import pytest

from node.dev.starter import StarterAdapter, pack
from tests.node.cli.conftest import Cli


@pytest.fixture
def adapter() -> StarterAdapter:
    return pack().adapters[0]


def test_chat_streams_an_answer_and_shows_its_receipt(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    done = cli("--home", home, "chat", adapter.name, adapter.example)

    assert done.code == 0
    assert "no record" not in done.out
    assert "receipt" in done.out
    assert "free" in done.out


def test_chat_with_an_unknown_model_is_a_model_failure(cli: Cli, home: str) -> None:
    done = cli("--home", home, "chat", "nope", "Hello")

    assert done.code == 6
    assert "does not exist" in done.err


def test_a_conversation_ends_with_its_input(
    cli: Cli, home: str, monkeypatch: pytest.MonkeyPatch, adapter: StarterAdapter
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(adapter.example))

    assert "no record" not in cli("--home", home, "chat", adapter.name).out
