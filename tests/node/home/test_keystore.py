"""Keys at rest: V3 files that any wallet opens, never overwritten, readable by their owner only."""

import json
from pathlib import Path

import pytest
from eth_account import Account

from contracts.crypto import PrivateKey, keccak
from node.home.keystore import (
    AccountExists,
    AccountUnknown,
    BadAccountName,
    KeystoreDamaged,
    Keystores,
    PasswordUnusable,
    WrongPassword,
    read_password,
)

KEY = PrivateKey(keccak(b"key"))


@pytest.fixture
def stores(tmp_path: Path) -> Keystores:
    return Keystores(tmp_path / "keystores", scrypt_n=2)


def test_a_stored_key_comes_back_with_its_password(stores: Keystores) -> None:
    entry = stores.add("alice", KEY, "correct horse")

    assert entry.address == KEY.address
    assert stores.unlock("alice", "correct horse") == KEY
    assert stores.unlock(KEY.address.lower(), "correct horse") == KEY


def test_other_wallets_open_the_file(stores: Keystores) -> None:
    entry = stores.add("alice", KEY, "pässword")

    assert Account.decrypt(json.loads(entry.path.read_text()), "pässword") == KEY.secret


def test_the_standard_strength_is_geths() -> None:
    assert Keystores(Path("nowhere"))._scrypt_n == 262_144


def test_files_and_folder_belong_to_their_owner_alone(stores: Keystores) -> None:
    entry = stores.create("alice", "pw")

    assert entry.path.stat().st_mode & 0o777 == 0o600
    assert entry.path.parent.stat().st_mode & 0o777 == 0o700
    assert KEY.secret.hex() not in entry.path.read_text()


def test_fresh_keys_differ(stores: Keystores) -> None:
    assert stores.create("a", "pw").address != stores.create("b", "pw").address


def test_an_account_is_never_overwritten(stores: Keystores) -> None:
    before = stores.add("alice", KEY, "pw").path.read_bytes()

    with pytest.raises(AccountExists, match="exists already"):
        stores.create("alice", "pw")
    assert (stores.folder / "alice.json").read_bytes() == before


def test_a_wrong_password_is_named_as_such(stores: Keystores) -> None:
    stores.add("alice", KEY, "pw")

    with pytest.raises(WrongPassword, match="does not open the account 'alice'"):
        stores.unlock("alice", "PW")


def test_an_empty_password_protects_nothing(stores: Keystores) -> None:
    with pytest.raises(PasswordUnusable):
        stores.create("alice", "")
    assert stores.entries() == ()


def test_accounts_are_listed_by_name_without_a_password(stores: Keystores) -> None:
    stores.add("b", KEY, "pw")
    stores.create("a", "pw")

    assert [entry.name for entry in stores.entries()] == ["a", "b"]
    assert stores.find("b").address == KEY.address


def test_an_unknown_account_is_answered_with_the_known_ones(stores: Keystores) -> None:
    stores.add("alice", KEY, "pw")

    with pytest.raises(AccountUnknown, match="no account 'bob' in this home; there are alice"):
        stores.unlock("bob", "pw")


@pytest.mark.parametrize("name", ["", "../alice", "a/b", ".hidden", "a" * 65, "a\n", "ä"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, stores: Keystores) -> None:
    with pytest.raises(BadAccountName):
        stores.create(name, "pw")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": "12"}'])
def test_a_damaged_file_is_named(text: str, stores: Keystores) -> None:
    path = stores.add("alice", KEY, "pw").path
    path.write_text(text)

    with pytest.raises(KeystoreDamaged, match=r"alice\.json"):
        stores.unlock("alice", "pw")


def test_a_keystore_of_an_unknown_make_is_damage_not_a_wrong_password(stores: Keystores) -> None:
    path = stores.add("alice", KEY, "pw").path
    document = json.loads(path.read_text())
    for change in ({"version": 1}, {"crypto": {}}, {"crypto": document["crypto"] | {"kdf": "md5"}}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(KeystoreDamaged):
            stores.unlock("alice", "pw")


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret words \nignored\n")

    assert read_password(tmp_path / "pw") == "secret words "


def test_an_empty_or_missing_password_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("\nsecret\n")

    for path in (tmp_path / "pw", tmp_path / "missing", tmp_path):
        with pytest.raises(PasswordUnusable, match="password file"):
            read_password(path)
