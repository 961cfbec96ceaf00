"""The errors of `node.store`. Every message says what to do."""

from node.redaction import shown_url


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
