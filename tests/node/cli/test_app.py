"""The command tree: quick, honest about what it can do, and failing with the right code."""

import json
import subprocess
import sys

import pytest

from node.cli.app import hoisted
from node.version import VERSION
from tests.node.cli.conftest import Cli


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["chat", "--json", "m"], ["--json", "chat", "m"]),
        (["start", "--home", "/x", "--dev"], ["--home", "/x", "start", "--dev"]),
        (["start", "--home=/x"], ["--home=/x", "start"]),
        (["chat", "m", "--", "--json"], ["chat", "m", "--", "--json"]),
        (["-v", "ps"], ["-v", "ps"]),
    ],
)
def test_global_options_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


def test_help_and_version_load_nothing_heavy() -> None:
    probe = "import sys; from node.cli.app import app; print([m for m in sys.modules if m.split('.')[0] in HEAVY])"
    heavy = "HEAVY = {'torch', 'web3', 'transformers', 'fastapi', 'sqlalchemy', 'httpx2', 'pydantic'}; "

    found = subprocess.run([sys.executable, "-c", heavy + probe], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_client_verbs_work_without_torch() -> None:
    """What the client verbs import, in a process where torch cannot be imported."""
    modules = ["chat_session", "wallet", "pay", "withdrawal", "receipts", "receipt_checks", "earnings", "remote"]
    block = "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None; "
    probe = block + "; ".join(f"import node.cli.{name}" for name in modules)

    subprocess.run([sys.executable, "-c", probe], check=True)


def test_version_is_told_to_people_and_machines(cli: Cli) -> None:
    assert cli("version").out == f"openlora-node {VERSION}\n"
    assert json.loads(cli("version", "--json").out) == {"version": VERSION}


def test_help_lists_only_verbs_that_exist(cli: Cli) -> None:
    shown = cli("--help").out

    for verb in (
        "start",
        "chat",
        "pay",
        "receipts",
        "settle",
        "earnings",
        "claim",
        "adapter",
        "account",
        "chain",
        "bench",
        "audit",
        "watch",
    ):
        assert verb in shown
    for later in ("train", "mcp", "datanet"):
        assert later not in shown


def test_a_mistake_of_ours_is_told_without_a_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.app.VERSION", property)  # cannot be written as JSON

    done = cli("version", "--json")

    assert done.code == 1
    assert "this should not have happened: TypeError" in json.loads(done.err)["error"]["message"]


def test_an_unknown_verb_is_a_usage_error(cli: Cli) -> None:
    assert cli("strat").code == 2
