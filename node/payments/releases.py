"""Frees the reservations of requests that get no receipt, however long the storage fails."""

import asyncio
from collections.abc import Coroutine

import structlog

from node.store import reservations
from node.store.database import Database
from node.store.errors import LedgerUnsafe, StoreClosed, StoreError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger("node.payments")


class Releases:
    """Reservations to free. One that fails is tried again until it is done; the start after a crash frees the rest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._undoing: set[asyncio.Task[None]] = set()
        self._repeating: set[asyncio.Task[None]] = set()

    async def release(self, request_id: str) -> None:
        """Frees a reservation now, or in the background if the storage fails. Does nothing if there is none."""
        try:
            await self._free(request_id)
        except (LedgerUnsafe, StoreClosed):
            raise  # only a restart helps, and it frees all reservations
        except StoreError as error:
            _log.warning("release_delayed", generation_id=request_id, reason=str(error))
            _keep(self._repeating, self._repeat(request_id))

    def undo(self, request_id: str) -> None:
        """Frees in the background what a cancelled admission may have reserved."""
        _keep(self._undoing, self.release(request_id))

    async def close(self) -> None:
        """Waits for what can be freed now. The next start frees the rest."""
        await asyncio.gather(*self._undoing, return_exceptions=True)
        for task in self._repeating:
            task.cancel()
        await asyncio.gather(*self._repeating, return_exceptions=True)

    async def _free(self, request_id: str) -> None:
        await self._database.write(lambda session: reservations.end(session, request_id))

    async def _repeat(self, request_id: str) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                return await self._free(request_id)
            except (LedgerUnsafe, StoreClosed) as error:
                _log.warning("release_left_to_restart", generation_id=request_id, reason=str(error))
                return None
            except StoreError:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
    """Runs `work` in the background; `tasks` holds it until it is done."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
