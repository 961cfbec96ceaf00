"""`doctor`: every check with its fix."""

import json
from pathlib import Path

from tests.node.cli.conftest import Cli


def test_doctor_names_what_is_wrong_with_its_fix(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    good = cli("--home", str(tmp_path / "home"), "doctor", "--json")
    bad = cli("--home", str(tmp_path / "file" / "home"), "doctor")

    assert {one["check"] for one in json.loads(good.out)} >= {"python", "serving packages", "disk", "home", "--port"}
    assert bad.code == 3
    assert "give another --home" in bad.out


def test_doctor_finds_the_home_in_use_and_that_is_fine(cli: Cli, home: str) -> None:
    assert "in use by pid" in cli("--home", home, "doctor").out
