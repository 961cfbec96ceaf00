"""The `backup` verbs as an operator runs them: what they refuse, and that they leave the home as it was."""

import asyncio
import json
from pathlib import Path

import pytest

from contracts.crypto import to_address
from node.store import ledger
from node.store.database import Database
from node.store.ledger import Head
from node.store.ledger_opening import open_ledger
from tests.node.cli.conftest import Cli

VAULT = to_address("0x" + "7a" * 20)


async def _sign(home: Path, count: int) -> None:
    database = await Database.open(f"sqlite:///{home}/node.db")
    await open_ledger(database, home, VAULT)
    for seq in range(1, count + 1):
        await database.write(lambda session, seq=seq: ledger.advance(session, VAULT, Head(seq, seq, seq)))
    await database.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose vault is pinned and has signed nothing yet."""
    made = tmp_path / "home"
    made.mkdir()
    asyncio.run(_sign(made, 0))
    return made


def test_a_copy_is_made_and_verified(cli: Cli, home: Path) -> None:
    made = cli("--home", str(home), "--json", "backup", "create")

    assert made.code == 0, made.err
    file = json.loads(made.out)["file"]
    assert Path(file).parent == home / "backups"
    checked = cli("--home", str(home), "--json", "backup", "verify", file)
    assert (json.loads(checked.out)["vault"], json.loads(checked.out)["behind"]) == (VAULT, 0)


def test_a_file_that_is_no_backup_is_refused(cli: Cli, home: Path) -> None:
    (home / "other").write_text("not a database")

    refused = cli("--home", str(home), "backup", "verify", str(home / "other"))

    assert refused.code == 3
    assert "cannot be copied" in refused.err


def test_a_backup_that_lacks_receipts_is_refused_and_the_database_stays(cli: Cli, home: Path) -> None:
    assert cli("--home", str(home), "backup", "create", str(home / "old.db")).code == 0
    asyncio.run(_sign(home, 3))
    before = (home / "node.db").read_bytes()

    refused = cli("--home", str(home), "backup", "restore", str(home / "old.db"))

    assert refused.code == 7
    assert "has 0 receipts" in refused.err
    assert "3 were signed" in refused.err
    assert (home / "node.db").read_bytes() == before
    assert not list(home.glob("*.restoring*"))


def test_a_mark_is_only_raised(cli: Cli, home: Path) -> None:
    asyncio.run(_sign(home, 3))

    said = [cli("--home", str(home), "--json", "backup", "mark", "--last-seq", n).out for n in ("1", "9", "4")]

    assert [json.loads(line)["mark"] for line in said] == [3, 9, 9]


def test_nothing_to_restore_is_named(cli: Cli, home: Path) -> None:
    refused = cli("--home", str(home), "backup", "restore")

    assert refused.code == 3
    assert "give a backup, receipts files, or both" in refused.err
