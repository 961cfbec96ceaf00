"""The commands against a running free node."""

import io
import json

import pytest

from node.dev.starter import BASE_NAME, StarterAdapter, pack
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


def test_chat_tells_machines_everything(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    reply = json.loads(cli("chat", adapter.name, adapter.example, "--home", home, "--json").out)

    assert reply["usage"]["completion_tokens"] == int(reply["receipt"]["receipt"]["tokensOut"])
    assert reply["receipt"]["receipt"]["fee"] == "0"


def test_chat_with_an_unknown_model_is_a_model_failure(cli: Cli, home: str) -> None:
    done = cli("--home", home, "chat", "nope", "Hello")

    assert done.code == 6
    assert "does not exist" in done.err


def test_a_receipt_of_a_free_node_is_verified_by_its_signature(cli: Cli, home: str) -> None:
    reply = json.loads(cli("--home", home, "--json", "chat", BASE_NAME, "Hello").out)

    done = cli("--home", home, "receipts", "verify", reply["receipt"]["id"])

    assert done.code == 0
    assert done.out.startswith("ok       signature")


def test_paying_a_free_node_is_refused_before_anything_is_signed(cli: Cli, home: str) -> None:
    done = cli("--home", home, "pay", "quote", BASE_NAME)

    assert done.code == 2
    assert "without payment" in done.err


def test_adapters_are_added_listed_pinned_and_removed(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    added = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "twin")
    again = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "twin")
    listed = json.loads(cli("--home", home, "adapter", "list", "--json").out)
    pinned = cli("--home", home, "adapter", "pin", "twin")
    shown = json.loads(cli("--home", home, "adapter", "show", "twin").out)
    unpinned = cli("--home", home, "adapter", "unpin", "twin")
    evicted = cli("--home", home, "adapter", "evict", "twin")
    removed = cli("--home", home, "adapter", "remove", "twin")

    assert (added.code, added.out) == (0, "twin added\n")
    assert again.code == 2
    assert "twin" in {one["name"] for one in listed}
    assert (pinned.code, unpinned.code, evicted.code, removed.code) == (0, 0, 0, 0)
    assert shown["rank"] == 8
    assert cli("--home", home, "adapter", "show", "twin").code == 6


def test_a_source_that_does_not_exist_is_a_model_failure(cli: Cli, home: str) -> None:
    done = cli("--home", home, "adapter", "add", "file:/nonexistent/adapter")

    assert done.code == 6
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [("adapter", "list"), ("ps",), ("status",), ("receipts", "list"), ("receipts", "export"), ("config", "show")],
)
def test_lists_are_readable_and_full_in_a_pipe(cli: Cli, home: str, words: tuple[str, ...]) -> None:
    cli("--home", home, "chat", BASE_NAME, "Hello")

    done = cli("--home", home, *words)

    assert done.code == 0
    assert done.out
    assert "…" not in done.out


def test_a_conversation_ends_with_its_input(
    cli: Cli, home: str, monkeypatch: pytest.MonkeyPatch, adapter: StarterAdapter
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(adapter.example))

    assert "no record" not in cli("--home", home, "chat", adapter.name).out


def test_ps_and_status_tell_what_the_node_does(cli: Cli, home: str) -> None:
    models = json.loads(cli("--home", home, "ps", "--json").out)["models"]
    status = json.loads(cli("--home", home, "status", "--json").out)

    assert BASE_NAME in {model["id"] for model in models}
    assert status["ready"] is True
    assert cli("--home", home, "status").out.count("ok") >= 3


def test_doctor_finds_the_home_in_use_and_that_is_fine(cli: Cli, home: str) -> None:
    assert "in use by pid" in cli("--home", home, "doctor").out


def test_a_name_with_a_slash_is_shown_pinned_and_removed(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    added = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "team/twin")
    verbs = [cli("--home", home, "adapter", verb, "team/twin") for verb in ("show", "pin", "unpin", "evict", "remove")]

    assert "team/twin added" in added.out
    assert [done.code for done in verbs] == [0] * 5
    assert "team/twin removed" in verbs[-1].out
