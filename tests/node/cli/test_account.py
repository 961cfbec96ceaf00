"""The `account` verbs, run as a user runs them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from contracts.crypto import PrivateKey, keccak
from local_chain.accounts import dev_accounts
from node.cli import account
from node.cli.context import Context
from node.cli.failures import UsageFailure
from node.home import keystore
from node.home.keystore import AccountExists, AccountUnknown, Keystores, PasswordUnusable, WrongPassword
from node.home.run_file import Running

KEY = PrivateKey(keccak(b"key"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keystore.Keystores.__init__, "__defaults__", (2,))  # scrypt at full strength takes a second
    return tmp_path / "node"


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    return str(path)


def invoke(home: Path, *arguments: str, stdin: str = "", dev: bool = False, as_json: bool = False) -> Result:
    app = typer.Typer()
    app.add_typer(account.app, name="account")

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Context({"home": home, "dev": dev}, as_json)

    return CliRunner().invoke(app, ["account", *arguments], input=stdin, catch_exceptions=False)


def rows(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_new_account_is_kept_listed_and_shown(home: Path, password: str) -> None:
    made = rows(invoke(home, "new", "alice", "--password-file", password, as_json=True))

    assert rows(invoke(home, "list", as_json=True)) == [made]
    assert invoke(home, "show", "alice").stdout.strip() == made["address"]
    assert Keystores(home / "keystores").unlock("alice", "correct horse").address == made["address"]


def test_a_second_account_of_a_name_is_refused(home: Path, password: str) -> None:
    invoke(home, "new", "alice", "--password-file", password)

    with pytest.raises(AccountExists):
        invoke(home, "new", "alice", "--password-file", password)


def test_a_key_is_imported_from_a_file_or_from_stdin(home: Path, password: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0x" + KEY.secret.hex() + "\n")

    invoke(home, "import", "a", str(tmp_path / "key"), "--password-file", password)
    invoke(home, "import", "b", "-", "--password-file", password, stdin=KEY.secret.hex())

    assert {row["address"] for row in rows(invoke(home, "list", as_json=True))} == {KEY.address}


def test_a_keystore_is_imported_with_its_password(home: Path, password: str, tmp_path: Path) -> None:
    entry = Keystores(tmp_path / "other", scrypt_n=2).add("x", KEY, "correct horse")

    made = rows(invoke(home, "import", "alice", str(entry.path), "--password-file", password, as_json=True))

    assert made["address"] == KEY.address


def test_a_keystore_with_another_password_is_not_imported(home: Path, password: str, tmp_path: Path) -> None:
    entry = Keystores(tmp_path / "other", scrypt_n=2).add("x", KEY, "battery staple")

    with pytest.raises(WrongPassword, match=r"x\.json"):
        invoke(home, "import", "alice", str(entry.path), "--password-file", password)
    assert rows(invoke(home, "list", as_json=True)) == []


@pytest.mark.parametrize("text", ["", "hello", "0x12", "00" * 32, "ff" * 32])
def test_what_is_no_key_is_not_imported_nor_shown(text: str, home: Path, password: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)

    with pytest.raises(UsageFailure, match="neither a keystore nor a private key") as refused:
        invoke(home, "import", "alice", str(tmp_path / "key"), "--password-file", password)
    assert not text or text not in str(refused.value)


def test_no_password_without_a_terminal_says_how_to_give_one(home: Path) -> None:
    with pytest.raises(UsageFailure) as refused:
        invoke(home, "new", "alice")
    assert "--password-file" in (refused.value.fix or "")


def test_a_missing_password_file_is_an_error_of_its_own(home: Path, tmp_path: Path) -> None:
    with pytest.raises(PasswordUnusable, match="cannot be read"):
        invoke(home, "new", "alice", "--password-file", str(tmp_path / "missing"))


def test_development_accounts_are_listed_and_shown_under_dev_only(home: Path) -> None:
    listed = rows(invoke(home, "list", dev=True, as_json=True))

    assert {row["name"]: row["address"] for row in listed}["contributor-12"] == dev_accounts()[21].address
    assert invoke(home, "show", "payer", dev=True).stdout.strip() == dev_accounts()[2].address
    assert rows(invoke(home, "list", as_json=True)) == []
    with pytest.raises(AccountUnknown):
        invoke(home, "show", "payer")


def test_development_accounts_belong_to_the_home_of_a_development_node(home: Path) -> None:
    home.mkdir()
    Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", "dev", None).write(home)

    assert invoke(home, "show", "contributor-1").stdout.strip() == dev_accounts()[10].address
