"""Compares the nonces of one key's stored transactions with the chain's count, and mends what does not agree."""

from collections.abc import Callable

from contracts.crypto import Address
from node.chain.client import ChainClient
from node.store import outbox
from node.store.database import Database


class NonceCheck:
    """The check for one key. lag_s: how long a contradiction must last, because an endpoint may lag behind."""

    def __init__(
        self, database: Database, client: ChainClient, sender: Address, clock: Callable[[], int], lag_s: int
    ) -> None:
        self._database, self._client, self._sender, self._clock = database, client, sender, clock
        self._lag_s = lag_s
        self._doubted: dict[str, int] = {}

    async def mend(self, *, at_once: bool = False) -> None:
        """Reopens what a reorganisation dropped, and closes a gap: the chain mines nothing beyond one.

        at_once: even if the contradiction has just appeared.
        """
        mined, now = await self._client.nonce(self._sender), self._clock()
        if not await self._database.read(lambda session: outbox.has_lost(session, self._sender, mined)):
            self.trust("lost")
        elif at_once or self.is_sure("lost"):
            await self._database.write(lambda session: outbox.reopen(session, self._sender, mined, now))
        gap = await self._database.read(lambda session: outbox.nonce_gap(session, self._sender, mined))
        if gap is None:
            self.trust("gap")
        elif at_once or self.is_sure("gap"):
            await self._database.write(lambda session: outbox.renumber(session, self._sender, gap, now))

    def is_sure(self, doubt: str) -> bool:
        """Whether the chain has contradicted what is stored for `lag_s`, counted from the first call."""
        since = self._doubted.setdefault(doubt, self._clock())
        if self._clock() - since < self._lag_s:
            return False
        self.trust(doubt)
        return True

    def trust(self, doubt: str) -> None:
        """Forgets a contradiction that the chain no longer makes."""
        self._doubted.pop(doubt, None)
