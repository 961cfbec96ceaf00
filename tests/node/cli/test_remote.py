"""Verbs that need a node say what to do where none answers."""

import json
from pathlib import Path

import pytest

from tests.node.cli.conftest import Cli


def test_errors_are_json_where_json_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    done = cli("--home", str(tmp_path), "ps", "--json")

    assert done.code == 3
    assert json.loads(done.err)["error"]["fix"] == "start the node first: python -m node start --dev"


@pytest.mark.parametrize("verb", [("ps",), ("status",), ("settle", "status"), ("adapter", "pin", "x")])
def test_operator_verbs_say_to_start_the_node_first(cli: Cli, tmp_path: Path, verb: tuple[str, ...]) -> None:
    done = cli("--home", str(tmp_path), *verb)

    assert done.code == 3
    assert "start the node first" in done.err


@pytest.mark.parametrize(
    "verb", [("chat", "m", "hi"), ("receipts", "list"), ("adapter", "list"), ("pay", "quote", "m")]
)
def test_public_verbs_name_the_node_that_does_not_answer(cli: Cli, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "node.toml").write_text('node = "http://127.0.0.1:1"')

    done = cli("--home", str(tmp_path), *verb)

    assert done.code == 3
    assert "No node answers at http://127.0.0.1:1" in done.err
