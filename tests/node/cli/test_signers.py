"""Accounts by name or address."""

from pathlib import Path

import pytest

from local_chain.accounts import dev_accounts
from node.cli.context import Context
from node.cli.failures import UsageFailure
from node.cli.signers import address_of, signer
from node.home.keystore import AccountUnknown, Keystores, WrongPassword
from node.home.run_file import Running

KEY = dev_accounts()[5]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENLORA_HOME", str(tmp_path))
    Keystores(tmp_path / "keystores", scrypt_n=2).add("alice", KEY, "pw")
    return tmp_path


def runs(home: Path, mode: str) -> None:
    """This process poses as the node of the home."""
    import os

    Running(os.getpid(), "http://127.0.0.1:1", "http://127.0.0.1:2", "token", mode, None).write(home)


def test_a_keystore_opens_with_the_configured_password(home: Path) -> None:
    (home / "node.toml").write_text('password = "pw"')

    assert signer(Context(), "alice") == KEY
    assert signer(Context(), KEY.address) == KEY


def test_a_wrong_password_opens_nothing(home: Path) -> None:
    (home / "node.toml").write_text('password = "guess"')

    with pytest.raises(WrongPassword, match="alice"):
        signer(Context(), "alice")


def test_without_a_password_and_a_terminal_the_failure_says_how_to_give_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    with pytest.raises(UsageFailure, match="needs its password") as refused:
        signer(Context(), "alice")

    assert refused.value.fix == "set OPENLORA_PASSWORD_FILE to a file that holds it"


def test_an_address_needs_no_keystore(home: Path) -> None:
    other = dev_accounts()[6].address

    assert address_of(Context(), other.lower()) == other
    assert address_of(Context(), "alice") == KEY.address
    with pytest.raises(UsageFailure):
        address_of(Context(), "0x12")


def test_development_accounts_exist_only_beside_a_development_node(home: Path) -> None:
    runs(home, "dev")
    assert signer(Context(), "payer") == dev_accounts()[2]
    assert address_of(Context(), "operator") == dev_accounts()[1].address

    runs(home, "paid")
    with pytest.raises(AccountUnknown):
        signer(Context(), "payer")
