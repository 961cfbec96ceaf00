"""Checks around a commit, before its callers learn of it. They run on the writer thread.

A guard that fails gives the callers its error instead of their results, so no receipt of that commit leaves the node.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from contracts.crypto import Address
from node.store.errors import LedgerBehind, LedgerUnsafe
from node.store.seq_mark import SeqMark


class CommitGuard(Protocol):
    """One check before and after every commit."""

    def committing(self) -> None:
        """Called before a commit. Raises StoreError."""
        ...

    def committed(self, signed: Mapping[Address, int]) -> None:
        """signed: the newest receipt number of each ledger that this commit advanced. Raises StoreError."""
        ...


class FileGuard:
    """Notices that the file of a SQLite database was deleted, replaced or truncated under the open connections.

    SQLite writes on into a file that no longer has a name, and every receipt in it is lost at the next start.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, path.with_name(path.name + "-wal")
        self._sizes = dict.fromkeys((self._path, self._log), 0)
        self._identities = {path: _identity(os.stat(path))}

    def committing(self) -> None:
        """Compares both files with what they were after the last commit. Raises LedgerUnsafe.

        A truncated file must be found before SQLite writes behind its end, which restores the size but not the content.
        """
        for part in (self._path, self._log):
            try:
                found = os.stat(part)
            except FileNotFoundError as error:
                if part not in self._identities:
                    continue  # SQLite makes the log at the first commit
                raise self._unsafe(part, "it was deleted") from error
            except OSError as error:
                raise self._unsafe(part, error.strerror or str(error)) from error
            if self._identities.setdefault(part, _identity(found)) != _identity(found):
                raise self._unsafe(part, "another file has its name")
            if found.st_size < self._sizes[part]:
                raise self._unsafe(part, f"it shrank from {self._sizes[part]} to {found.st_size} bytes")
            self._sizes[part] = found.st_size

    def committed(self, signed: Mapping[Address, int]) -> None:
        """The same after the commit: it may have gone to a file that is lost."""
        self.committing()

    def _unsafe(self, part: Path, what: str) -> LedgerUnsafe:
        return LedgerUnsafe(
            f"The database file {part} was changed while the node runs: {what}. Stop the node, put the file back, or "
            "restore a backup with `backup restore`."
        )


class MarkGuard:
    """Raises the high-water mark to the newest receipt of each commit. One write per group of changes."""

    def __init__(self, vault: Address, mark: SeqMark) -> None:
        self._vault, self.mark = vault, mark

    def committing(self) -> None:
        """The commit's receipts are not known yet."""

    def committed(self, signed: Mapping[Address, int]) -> None:
        """Raises LedgerBehind if a number was signed before, LedgerUnsafe if the mark cannot be written."""
        newest = signed.get(self._vault)
        if newest is None:
            return
        if newest <= self.mark.value:
            raise LedgerBehind(self._vault, newest - 1, self.mark.value)
        try:
            self.mark.raise_to(newest)
        except OSError as error:
            raise LedgerUnsafe(
                f"The high-water mark {self.mark.path} cannot be written: {error.strerror or error}. Repair the disk "
                "and restart the node; no receipt left it without the mark."
            ) from error


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
