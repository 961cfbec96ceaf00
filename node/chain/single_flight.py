"""Runs an expensive coroutine at most once at a time for any number of callers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Runs a coroutine function, never twice at once.

    Callers that arrive during a run share the next run, so that no result is older than its call. Cancelling a caller
    does not stop a run.
    """

    def __init__(self, run: Callable[[], Awaitable[_T]]) -> None:
        self._run = run
        self._current: asyncio.Future[_T] | None = None
        self._next: asyncio.Future[_T] | None = None

    async def __call__(self) -> _T:
        """The result of a run that began after this call."""
        if self._next is not None:  # the next run has not begun yet
            return await asyncio.shield(self._next)
        if self._current is not None and not self._current.done():
            self._next = asyncio.ensure_future(self._after(self._current))
            return await asyncio.shield(self._next)
        self._current = asyncio.ensure_future(self._run())
        return await asyncio.shield(self._current)

    async def close(self) -> None:
        """Cancels all runs and waits until they have ended."""
        for running in (self._next, self._current):
            if running is not None and not running.done():
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    async def _after(self, running: "asyncio.Future[_T]") -> _T:
        await asyncio.wait([running])
        self._current, self._next = self._next, None
        return await self._run()
