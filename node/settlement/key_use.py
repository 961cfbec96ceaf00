"""Notices that another program sends transactions with the operator's key."""

from contracts.crypto import Address
from node.chain.client import ChainClient
from node.store import outbox
from node.store.database import Database


class KeyUse:
    """Compares the chain's count of a key's transactions with the nonces that this node gave out."""

    def __init__(self, database: Database, client: ChainClient, sender: Address) -> None:
        self._database, self._client, self._sender = database, client, sender
        self._accepted: int | None = None

    async def accept(self) -> None:
        """Takes all transactions up to now as known, as at the start."""
        self._accepted = await self._client.nonce(self._sender)

    async def problem(self) -> str | None:
        """What to tell the operator if the key was used elsewhere since `accept`; None if it was not."""
        mined = await self._client.nonce(self._sender)  # first the chain: the node's own count only grows
        given = await self._database.read(lambda session: outbox.next_nonce(session, self._sender)) or 0
        if self._accepted is None:
            self._accepted = mined
        if mined <= max(given, self._accepted):
            return None
        return (
            f"another program sent transactions with the operator's key {self._sender} ({mined} are mined, this node "
            f"knows of {max(given, self._accepted)}). If a second node uses the key, stop it. If you sent them "
            "yourself, run `settle retry`."
        )
