"""One run at a time of something that many ask for."""

import asyncio
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Runs a coroutine function; callers that come during a run share it, its result and its error."""

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._run = run
        self._running: asyncio.Future[None] | None = None

    async def __call__(self) -> None:
        """A caller that is cancelled does not stop the run."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())
        await asyncio.shield(self._running)
