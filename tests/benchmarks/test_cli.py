"""The `bench` command."""

import json
from pathlib import Path

import pytest
import torch

from tests.node.cli.conftest import Cli


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_gpu_profile_is_refused_without_one(cli: Cli) -> None:
    done = cli("bench", "serve", "--profile", "gpu")

    assert done.code == 3
    assert "needs a CUDA GPU" in done.err
    assert "--profile cpu" in done.err


def test_a_scenario_is_selected_by_its_letter_and_written_as_json(cli: Cli, tmp_path: Path) -> None:
    done = cli("--json", "bench", "switch", "--profile", "tiny", "--scenario", "E", "--output", str(tmp_path / "r"))

    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document == json.loads((tmp_path / "r").read_text())
    assert document["name"] == "openlora-switchbench v1"
    assert list(document["scenarios"]) == ["churn"]
    churn = document["scenarios"]["churn"]
    assert {"processor", "cores", "python", "system"} <= churn["machine"].keys()
    assert churn["commit"]
    assert churn["threads"] >= 1


def test_missing_packages_are_named_with_the_command_that_installs_them(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.cli.diagnosis.missing_packages", lambda: ["torch"])

    done = cli("bench", "serve", "--profile", "tiny")

    assert done.code == 3
    assert "packages that are missing: torch" in done.err
    assert "[serve,dev-chain]" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serve", "--scenario", "B"], "no scenario 'B'"),
        (["serve", "--profile", "huge"], "no profile 'huge'"),
        (["serve", "--dtype", "int8"], "no dtype 'int8'"),
        (["serve", "--quick", "--full"], "exclude each other"),
    ],
)
def test_an_unknown_option_value_is_refused_with_the_known_ones(words: list[str], message: str, cli: Cli) -> None:
    done = cli("bench", *words)

    assert done.code in (2, 3)
    assert message in done.err
    assert "fix:" in done.err
