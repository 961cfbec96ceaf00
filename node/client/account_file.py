"""The file that stores a channel's account between calls, shared by the processes of one payer."""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from contracts.crypto import Address
from node.client.account import Account, PendingDeposit, Promise
from node.client.errors import StateUnusable

FORMAT = 1


class AccountFile:
    """One account in `<folder>/<chain>-<payer>-<vault>.json`. A lock file serialises threads and processes.

    Each update replaces the whole file, so a crash leaves the old or the new account. Losing the file loses no money:
    the node's newest voucher proves what was signed, and the next request asks the node for it.
    """

    def __init__(self, folder: Path, chain_id: int, payer: Address, vault: Address) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{chain_id}-{payer}-{vault}.json"
        self._lock = self.path.with_suffix(".lock")

    def read(self) -> Account | None:
        """The account; None before the first update. StateUnusable if the file is damaged or from another version."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return None
        try:
            return _parse(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise StateUnusable(str(self.path), f"cannot be read ({error})") from error

    def update(self, change: Callable[[Account], Account]) -> Account:
        """Applies `change` to the newest account under the lock, and returns the result."""
        with open(self._lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            account = change(self.read() or Account())
            self._replace(account)
            return account

    def _replace(self, account: Account) -> None:
        temporary = self.path.with_suffix(".new")
        with open(temporary, "w", opener=_private) as file:
            json.dump({"format": FORMAT, **asdict(account)}, file)
        os.replace(temporary, self.path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _parse(document: dict[str, object]) -> Account:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}, this version reads {FORMAT}")
    promises, deposit = document["promises"], document["deposit"]
    if not isinstance(promises, list) or not isinstance(deposit, dict | None):
        raise TypeError("promises or deposit has another form")
    return Account(
        charged=_amount(document["charged"]),
        balance=_amount(document["balance"]),
        signed_max=_amount(document["signed_max"]),
        promises=tuple(
            Promise(_amount(p["nonce"]), _amount(p["max_fee"]), _amount(p["expires_at"]), p["lost"] is True)
            for p in promises
        ),
        deposit=PendingDeposit(str(deposit["body"]), _amount(deposit["valid_before"])) if deposit else None,
    )


def _amount(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is not an amount")
    return value
