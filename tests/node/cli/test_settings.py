"""`config`: settings with their origins, and problems with their fixes."""

import json
from pathlib import Path

from tests.node.cli.conftest import Cli


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
