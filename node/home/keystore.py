"""Accounts of the home as V3 keystores, `<home>/keystores/<name>.json`.

Source: Web3 Secret Storage Definition, version 3 (scrypt); the format of geth, MetaMask and eth-account.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from contracts.crypto import Address, PrivateKey, to_address, to_bytes32

SCRYPT_N = 262_144
"""geth's standard strength: about a second for each guess."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeystoreError(Exception):
    """Base of all errors about accounts of the home."""


class BadAccountName(KeystoreError):
    """The name cannot be a file name in the keystores' folder."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not an account name: use up to 64 letters, digits, dots, dashes and underscores")
        self.name = name


class AccountExists(KeystoreError):
    """A keystore is never overwritten: it may be the only copy of a key."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(f"the account {name!r} exists already, in {path}; choose another name")
        self.name, self.path = name, path


class AccountUnknown(KeystoreError):
    """No keystore of the home has this name or address. `known`: the names that exist."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        accounts = f"there are {', '.join(known)}" if known else "there are none yet"
        super().__init__(
            f"there is no account {name!r} in this home; {accounts}. Create it with `account new {name}`. The "
            "development accounts (payer, operator, contributor-1 …) exist while a node started with --dev runs from "
            "this home"
        )
        self.name, self.known = name, known


class WrongPassword(KeystoreError):
    """The password does not decrypt the keystore."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the password does not open the account {name!r}")
        self.name = name


class KeystoreDamaged(KeystoreError):
    """The file cannot be read or is not a version 3 keystore."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is not a version 3 keystore: {problem}")
        self.path, self.problem = path, problem


class PasswordUnusable(KeystoreError):
    """No password, or a password file that cannot be read or is empty."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A keystore that can be opened with its password."""

    name: str
    address: Address
    path: Path


class Keystores:
    """The accounts in one folder, which is created with the first account. Only the folder's owner can read the files.

    scrypt_n: the cost of one password guess.
    """

    def __init__(self, folder: Path, scrypt_n: int = SCRYPT_N) -> None:
        self.folder, self._scrypt_n = folder, scrypt_n

    @classmethod
    def of_home(cls, home: Path) -> "Keystores":
        """The keystores of a home."""
        return cls(home / "keystores")

    def create(self, name: str, password: str) -> Entry:
        """Generates a key and stores it under a new name."""
        return self.add(name, PrivateKey.generate(), password)

    def add(self, name: str, key: PrivateKey, password: str) -> Entry:
        """Stores a key under a new name; the file is on disk when this returns."""
        from eth_account import Account

        path = self._path(name)
        if path.exists():
            raise AccountExists(name, path)
        if not password:
            raise PasswordUnusable("the password is empty")
        document = Account.encrypt(key.secret, password, kdf="scrypt", iterations=self._scrypt_n)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise AccountExists(name, path) from None
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        return Entry(name, key.address, path)

    def entries(self) -> tuple[Entry, ...]:
        """All accounts, sorted by name."""
        return tuple(self._entry(path) for path in sorted(self.folder.glob("*.json")))

    def find(self, name: str) -> Entry:
        """The account with this name or this address; AccountUnknown if there is none."""
        entries = self.entries()
        for entry in entries:
            if name == entry.name or name.lower() == entry.address.lower():
                return entry
        raise AccountUnknown(name, tuple(entry.name for entry in entries))

    def unlock(self, name: str, password: str) -> PrivateKey:
        """The key of an account, after about a second. Raises AccountUnknown, WrongPassword or KeystoreDamaged."""
        entry = self.find(name)
        return decrypt(entry.path, password, entry.name)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadAccountName(name)
        return self.folder / f"{name}.json"

    def _entry(self, path: Path) -> Entry:
        address = _document(path).get("address")
        try:
            plain = str(address).removeprefix("0x")
            return Entry(path.stem, to_address("0x" + plain.lower()), path)
        except ValueError as error:
            raise KeystoreDamaged(path, f"address: {error}") from error


def decrypt(path: Path, password: str, name: str) -> PrivateKey:
    """The key in a V3 keystore. WrongPassword names the account; KeystoreDamaged says what is wrong with the file."""
    from eth_account import Account

    document = _document(path)
    try:
        return PrivateKey(to_bytes32(bytes(Account.decrypt(document, password))))
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise WrongPassword(name) from error
        raise KeystoreDamaged(path, str(error)) from error
    except (KeyError, TypeError, NotImplementedError) as error:
        raise KeystoreDamaged(path, f"{type(error).__name__}: {error}") from error


def read_password(path: Path) -> str:
    """The first line of a password file."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PasswordUnusable(f"the password file {path} cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise PasswordUnusable(f"the password file {path} is empty")
    return lines[0]


def _document(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise KeystoreDamaged(path, str(error)) from error
    if not isinstance(document, dict):
        raise KeystoreDamaged(path, "it is not a JSON object")
    return document
