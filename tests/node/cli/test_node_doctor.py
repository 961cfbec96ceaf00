"""`doctor` on a home: modes of files, a database without a chain, and one that cannot be read."""

import json
from pathlib import Path

from tests.node.cli.conftest import Cli


def findings(cli: Cli, home: Path) -> tuple[int, dict[str, dict[str, object]]]:
    done = cli("--home", str(home), "--json", "doctor")
    return done.code, {row["check"]: row for row in json.loads(done.out)}


def test_files_that_others_can_read_are_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text("{}")
    (tmp_path / "deployment.json").chmod(0o644)

    code, loose = findings(cli, tmp_path)
    (tmp_path / "deployment.json").chmod(0o600)
    _, private = findings(cli, tmp_path)

    assert code == 3
    assert not loose["file modes"]["ok"]
    assert str(tmp_path / "deployment.json") in str(loose["file modes"]["found"])
    assert str(loose["file modes"]["fix"]).startswith("chmod -R go-rwx")
    assert private["file modes"]["ok"]


def test_a_home_without_a_ledger_has_nothing_to_compare(cli: Cli, tmp_path: Path) -> None:
    _, found = findings(cli, tmp_path / "new")

    assert not {"database", "chain", "batches"} & set(found)


def test_a_damaged_database_is_a_finding(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"not a database at all" * 100)
    (tmp_path / "node.db").chmod(0o600)

    code, found = findings(cli, tmp_path)

    assert code == 3
    assert not found["database"]["ok"]
