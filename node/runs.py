"""The requests in flight, and how the node drains them."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator

from serving.errors import NotReady

_RECEIPT_TIMEOUT_S = 15.0
"""How long aborted requests get to write their receipts. The next start releases the reservations of the rest."""


class Runs:
    """The accepted requests that have not ended: those being admitted, and the task of each running one.

    Owned by the event loop's thread.
    """

    def __init__(self) -> None:
        self._admitting = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._abort: Callable[[str], None] | None = None
        self._aborted = 0
        self.draining = False

    def __len__(self) -> int:
        return self._admitting + len(self._tasks)

    @contextlib.contextmanager
    def admitting(self) -> Iterator[None]:
        """Accepts a request: the block admits and starts it. Raises NotReady once draining has begun."""
        if self.draining:
            raise NotReady("The node is draining and takes no new requests.")
        self._admitting += 1
        try:
            yield
        finally:
            self._admitting -= 1
            self._changed.set()

    def start(self, request_id: str, work: Coroutine[None, None, None]) -> None:
        """Runs `work` to its end, even if the client leaves. Aborts the request at once if the drain's time is over."""
        task = asyncio.get_running_loop().create_task(work, name=f"run-{request_id}")
        self._tasks[request_id] = task
        task.add_done_callback(lambda _: self._ended(request_id))
        if self._abort is not None:
            self._abort_late(request_id, self._abort)

    async def drain(self, timeout_s: float, abort: Callable[[str], None]) -> int:
        """Accepts no new requests and waits for the accepted ones, also for those that are still being admitted.

        What is left after `timeout_s` is aborted; an aborted request still gets its receipt, and this waits for it.
        Returns the number of aborted requests.
        """
        self.draining = True
        await self._empty(timeout_s)
        self._abort = abort
        for request_id in list(self._tasks):
            self._abort_late(request_id, abort)
        await self._empty(_RECEIPT_TIMEOUT_S)
        return self._aborted

    async def _empty(self, timeout_s: float) -> None:
        """Returns when no request is left, or after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while len(self):
                    self._changed.clear()
                    await self._changed.wait()

    def _abort_late(self, request_id: str, abort: Callable[[str], None]) -> None:
        self._aborted += 1
        abort(request_id)

    def _ended(self, request_id: str) -> None:
        self._tasks.pop(request_id, None)
        self._changed.set()
