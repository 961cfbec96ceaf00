"""The paying client of the command line."""

from pathlib import Path

import httpx2
import pytest

from local_chain.accounts import dev_accounts
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure
from node.cli.wallet import channel_with, wallet
from node.home.keystore import AccountUnknown, Keystores


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENLORA_HOME", str(tmp_path))
    Keystores(tmp_path / "keystores", scrypt_n=2).add("payer", dev_accounts()[2], "pw")
    (tmp_path / "node.toml").write_text('password = "pw"\nnode = "http://127.0.0.1:1"')
    return tmp_path


def test_an_account_that_does_not_exist_cannot_pay(home: Path) -> None:
    with pytest.raises(AccountUnknown):
        wallet(Context(), "nobody")


def test_nothing_is_written_before_something_is_signed(home: Path) -> None:
    wallet(Context(), None)

    assert not (home / "wallet").exists()


def test_a_channel_needs_a_node_that_answers(home: Path) -> None:
    with (
        httpx2.Client() as client,
        pytest.raises(ConfigurationFailure, match=r"No node answers at http://127\.0\.0\.1:1"),
    ):
        channel_with(Context(), client, None, None)
