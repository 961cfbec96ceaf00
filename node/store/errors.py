"""The errors of `node.store`. Every message says what to do."""

from pathlib import Path

from contracts.crypto import Address
from node.redaction import shown_url

NEVER_TWICE = "A vault must never sign two receipts with one number: that loses its stake."
WAYS_OUT = (
    "Put the newest database back, or add the missing receipts with `backup restore FILE --receipts …` from the public "
    "files of the batches. If they are lost, close the vault and open another one."
)


class StoreError(Exception):
    """Base class of the errors of the store."""


class DatabaseRefused(StoreError):
    """The node cannot use this database. url: as it may be shown, without the password."""

    def __init__(self, url: str, problem: str) -> None:
        self.url, self.problem = shown_url(url), problem
        super().__init__(
            f"The database {self.url} cannot be used: {problem}. Use sqlite:///relative.db, "
            "sqlite:////absolute/path.db or postgresql://user:password@host/name."
        )


class DatabaseInUse(StoreError):
    """Another node process writes to this database."""


class WrongChain(StoreError):
    """The database belongs to another chain or Settlement contract. Using it would corrupt both ledgers."""

    def __init__(self, what: str, stored: str, given: str) -> None:
        super().__init__(
            f"This database was made for {what} {stored}, but the node is configured for {given}. Point the node at "
            "its old chain, or give it another database (--database) or home (--home)."
        )
        self.what, self.stored, self.given = what, stored, given


class WrongVault(StoreError):
    """The database holds the ledger of another vault. One database keeps one ledger."""

    def __init__(self, stored: Address, given: Address) -> None:
        super().__init__(
            f"This database holds the ledger of the vault {stored}, but the node serves the vault {given}. Set `vault` "
            f"to {stored}, or give {given} a database (--database) or home (--home) of its own."
        )
        self.stored, self.given = stored, given


class LedgerBehind(StoreError):
    """The database lacks receipts that were signed: it is an older state, such as a restored backup."""

    def __init__(self, vault: Address, held: int, signed: int) -> None:
        super().__init__(
            f"The database has {held} receipts of the vault {vault}, but {signed} were signed: it is an older state, "
            f"such as a restored backup. {NEVER_TWICE} {WAYS_OUT}"
        )
        self.vault, self.held, self.signed = vault, held, signed


class MarkMissing(StoreError):
    """The database has a high-water mark that is not in this home, so newer receipts may exist elsewhere."""

    def __init__(self, vault: Address, path: Path, held: int) -> None:
        super().__init__(
            f"The database belongs to the high-water mark of another home; {path} is missing or not its own. "
            f"{NEVER_TWICE} Copy the file from the home that last served {vault}. If that home is lost and the newest "
            f"receipt that any payer holds has a number N, run `backup mark --last-seq N` (this database has {held})."
        )
        self.vault, self.path, self.held = vault, path, held


class MarkDamaged(StoreError):
    """The file of the high-water mark cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The high-water mark {path} is damaged. {NEVER_TWICE} If the database has every receipt that was signed, "
            "delete the file and run `backup mark --last-seq N` with the number of the newest one."
        )
        self.path = path


class LedgerUnsafe(StoreError):
    """Writing goes on only after a restart: the database file was replaced, or the high-water mark is not on disk."""


class BackupRefused(StoreError):
    """A backup cannot be made, read or restored."""


class SchemaUnknown(StoreError):
    """The database was written by a newer version of the node."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database has schema revision {revision}, which this version of the node does not know. "
            "Upgrade the node; a downgrade would lose what the newer version wrote."
        )
        self.revision = revision


class StorageFull(StoreError):
    """The disk is full. This write did not happen; everything committed before is kept."""

    def __init__(self) -> None:
        super().__init__("The disk holding the node's database is full. Free space; the node resumes by itself.")


class StorageUnavailable(StoreError):
    """The database does not answer. Whether it kept this write is unknown until it answers again."""


class StoreClosed(StoreError):
    """The database was closed before the write began."""
