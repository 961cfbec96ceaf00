"""The writer thread. Changes share commits, and a caller gets its result only after the commit is on disk."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from node.store import ledger
from node.store.connections import storage_failure
from node.store.errors import StoreClosed, StoreError
from node.store.guards import CommitGuard

GROUP_LIMIT = 256

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Write(Generic[_T]):
    """A submitted change. `run`, `fail` and `resolve` are called on the writer thread."""

    change: Callable[[Session], _T]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[_T]"
    _deliver: Callable[[], None] = field(default=lambda: None)

    def run(self, session: Session) -> None:
        """Applies the change in a savepoint. Its own error is kept for the caller; a storage error is raised."""
        advanced = ledger.advanced(session)
        try:
            with session.begin_nested():
                result = self.change(session)
        except Exception as error:  # its caller gets it
            ledger.set_advanced(session, advanced)
            if (failure := storage_failure(error)) is not None:
                raise failure from error
            self.fail(error)
        else:
            self._deliver = lambda: self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """The caller will get `error`."""
        self._deliver = lambda: self.future.set_exception(error)

    def resolve(self) -> None:
        """Delivers the result to the caller, if it still waits."""
        with suppress(RuntimeError):  # the event loop of a cancelled caller may be closed
            self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.future.done():
            self._deliver()


class Writer:
    """Applies changes in the order of submission. Each commit takes all that wait, up to GROUP_LIMIT.

    unsafe: why a guard refused a commit; every later change fails with it, and only a restart helps. None while all is
    well.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guards: tuple[CommitGuard, ...] = ()
        self.unsafe: StoreError | None = None
        self._waiting: SimpleQueue[_Write[Any] | None] = SimpleQueue()  # results differ in type
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, change: Callable[[Session], _T]) -> _T:
        """The result of `change`, once it is committed.

        If the caller is cancelled before the change begins, the change does not run. If it is cancelled later, the
        change stays, and the caller must undo it if that matters.
        """
        if self._closed:
            raise StoreClosed("The database is closed.")
        loop = asyncio.get_running_loop()
        write: _Write[_T] = _Write(change, loop, loop.create_future())
        self._waiting.put(write)
        return await write.future

    def guard(self, guard: CommitGuard) -> None:
        """Checks every later commit before its callers learn of it."""
        self._guards += (guard,)

    def close(self) -> None:
        """Commits pending changes and ends the thread."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._next_group()
            if group:
                self._commit(group)
                for write in group:
                    write.resolve()

    def _next_group(self) -> "tuple[list[_Write[Any]], bool]":
        """Waits for one change and takes all others that wait."""
        first = self._waiting.get()
        if first is None:
            return [], True
        group = [first]
        with suppress(Empty):
            while len(group) < GROUP_LIMIT:
                more = self._waiting.get_nowait()
                if more is None:
                    return group, True
                group.append(more)
        return group, False

    def _commit(self, group: "list[_Write[Any]]") -> None:
        """Runs the group in one transaction. If the storage fails, nothing is kept and every caller gets the error."""
        if not self._guarded(group, lambda guard: guard.committing()):
            return
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                for write in group:
                    if not write.future.cancelled():
                        write.run(session)
                advanced = ledger.advanced(session)
        except (DBAPIError, StoreError) as error:
            self._fail(group, storage_failure(error) or error)
        else:
            self._guarded(group, lambda guard: guard.committed(advanced))

    def _guarded(self, group: "list[_Write[Any]]", check: Callable[[CommitGuard], None]) -> bool:
        """Asks the guards. If one refuses, no caller gets a result, and nothing more is written."""
        try:
            if self.unsafe is not None:
                raise self.unsafe
            for guard in self._guards:
                check(guard)
        except StoreError as error:
            self.unsafe = error
            self._fail(group, error)
            return False
        return True

    def _fail(self, group: "list[_Write[Any]]", error: Exception) -> None:
        for write in group:
            write.fail(error)
