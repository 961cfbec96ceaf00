"""The command tree: quick, honest about what it can do, and failing with the right code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli.app import hoisted
from node.cli.failures import (
    ChainFailure,
    ConfigurationFailure,
    Failure,
    FundsFailure,
    ModelFailure,
    UsageFailure,
    VerificationFailure,
    exit_code_of,
    failure_of,
)
from node.version import VERSION
from tests.node.cli.conftest import Cli


def test_each_kind_of_failure_has_its_exit_code() -> None:
    kinds = (UsageFailure, ConfigurationFailure, ChainFailure, FundsFailure, ModelFailure, VerificationFailure)

    assert [exit_code_of(kind("x")) for kind in kinds] == [2, 3, 4, 5, 6, 7]
    assert exit_code_of(ValueError("nobody expected this")) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unsupported_field", UsageFailure),
        ("payment_required", FundsFailure),
        ("chain_unavailable", ChainFailure),
        ("model_not_found", ModelFailure),
        ("adapter_incompatible", ModelFailure),
        ("overloaded", ModelFailure),
        ("unauthorized", ConfigurationFailure),
    ],
)
def test_a_node_s_refusal_becomes_the_failure_of_its_code(code: str, kind: type[Failure]) -> None:
    assert type(failure_of(code, "why")) is kind


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

    for verb in ("start", "chat", "pay", "receipts", "settle", "earnings", "claim", "adapter", "account", "chain"):
        assert verb in shown
    for later in ("train", "audit", "watch", "bench", "datanet"):
        assert later not in shown


def test_a_mistake_of_ours_is_told_without_a_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.app.VERSION", property)  # cannot be written as JSON

    done = cli("version", "--json")

    assert done.code == 1
    assert "this should not have happened: TypeError" in json.loads(done.err)["error"]["message"]


def test_an_unknown_verb_is_a_usage_error(cli: Cli) -> None:
    assert cli("strat").code == 2


def test_settings_are_shown_with_their_origins(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("max_queue = 5")

    shown = json.loads(cli("--home", str(tmp_path), "config", "show", "--origin", "--json").out)

    assert shown["max_queue"] == {"value": "5", "origin": f"file {tmp_path / 'node.toml'}"}
    assert shown["port"] == {"value": "8000", "origin": "default"}


def test_a_misspelt_key_is_a_configuration_error_with_a_hint(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("prot = 5\nmax_queue = -1")

    done = cli("--home", str(tmp_path), "config", "validate")

    assert done.code == 3
    assert "did you mean port?" in done.err
    assert "max_queue" in done.err
    assert "Traceback" not in done.err


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


def test_a_start_that_does_not_say_how_to_serve_is_a_usage_error(cli: Cli) -> None:
    done = cli("start")

    assert done.code == 2
    assert "--dev" in done.err


def test_doctor_names_what_is_wrong_with_its_fix(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    good = cli("--home", str(tmp_path / "home"), "doctor", "--json")
    bad = cli("--home", str(tmp_path / "file" / "home"), "doctor")

    assert {one["check"] for one in json.loads(good.out)} >= {"python", "serving packages", "disk", "home", "--port"}
    assert bad.code == 3
    assert "give another --home" in bad.out


def test_a_node_without_its_serving_packages_says_what_to_install(tmp_path: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None; "
        f"sys.argv = ['openlora', '--home', {str(tmp_path)!r}, 'start', '--free']; "
        "from node.cli.app import main; main()"
    )

    done = subprocess.run([sys.executable, "-c", without_torch], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "missing: torch" in done.stderr
    assert '"openlora-node[serve,dev-chain]"' in done.stderr
