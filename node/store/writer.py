"""The one thread that writes: many changes share one commit, and nobody hears of a change before it is on disk."""

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

from node.store.connections import storage_failure
from node.store.errors import StoreClosed, StoreError

GROUP_LIMIT = 256

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Write(Generic[_T]):
    """A change that waits for its turn. `fail` and `succeed` are called on the writer thread, once."""

    change: Callable[[Session], _T]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[_T]"
    _tell: Callable[[], None] = field(default=lambda: None)

    def run(self, session: Session) -> None:
        """Applies the change in a savepoint; its own failure is its own, a failing disk is raised to the group."""
        try:
            with session.begin_nested():
                result = self.change(session)
        except Exception as error:  # reported to whoever awaits this change
            if (failure := storage_failure(error)) is not None:
                raise failure from error
            self.fail(error)
        else:
            self._tell = lambda: self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        self._tell = lambda: self.future.set_exception(error)

    def resolve(self) -> None:
        """Wakes the caller, if it still waits."""
        with suppress(RuntimeError):  # the loop of a caller that gave up may be closed
            self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.future.done():
            self._tell()


class Writer:
    """Applies changes in the order in which they were submitted, as many per commit as wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: SimpleQueue[_Write[Any] | None] = SimpleQueue()  # results differ in type
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, change: Callable[[Session], _T]) -> _T:
        """The result of `change`, once it is committed.

        A caller that is cancelled before the change began leaves nothing behind; one that is cancelled later leaves
        the change in place and must undo it if that matters.
        """
        if self._closed:
            raise StoreClosed("The database is closed.")
        loop = asyncio.get_running_loop()
        write: _Write[_T] = _Write(change, loop, loop.create_future())
        self._waiting.put(write)
        return await write.future

    def close(self) -> None:
        """Commits what waits and ends the thread."""
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
        """Waits for one change, then takes whatever else has come."""
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
        """One transaction for the group. If the storage fails, none of it happened and all are told."""
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                for write in group:
                    if not write.future.cancelled():
                        write.run(session)
        except (DBAPIError, StoreError) as error:
            self._fail(group, storage_failure(error) or error)

    def _fail(self, group: "list[_Write[Any]]", error: Exception) -> None:
        for write in group:
            write.fail(error)
