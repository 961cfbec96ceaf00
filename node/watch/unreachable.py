"""A node of which only the vault is known: it serves nothing, so the files of its posted headers count as withheld."""

from dataclasses import dataclass

from contracts.crypto import Address, Bytes32
from contracts.structs import NO_CHAIN
from node.watch.source import Announced, Card, SourceUnavailable


@dataclass(frozen=True, slots=True)
class UnreachableNode:
    """A `NodeSource` for a node that does not answer, or whose URL nobody knows."""

    vault: Address

    def card(self) -> Card:
        """The vault; chain and operator are unknown."""
        return Card(NO_CHAIN, self.vault, self.vault)

    def announced(self, after: int) -> list[Announced]:
        """None."""
        return []

    def receipts_file(self, epoch: int) -> bytes:
        """Raises SourceUnavailable."""
        raise SourceUnavailable(f"only the vault {self.vault} was given, not where its files are")

    def contributors(self, datanet_id: Bytes32, version: int) -> dict[str, object] | None:
        """None."""
        return None
