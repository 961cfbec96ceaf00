"""The requests in flight, and the door that closes when the node drains."""

import asyncio
from collections.abc import Callable, Coroutine

from serving.errors import NotReady

_RECEIPT_TIMEOUT_S = 15.0
"""How long aborted requests get to write their receipts; recovery at the next start releases the rest."""


class Runs:
    """Every running request's task by request id. Owned by the event loop's thread."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    def check_open(self) -> None:
        """NotReady once draining has begun."""
        if self.draining:
            raise NotReady("The node is draining and takes no new requests.")

    def start(self, request_id: str, work: Coroutine[None, None, None]) -> None:
        """Run `work` to its end, whatever becomes of the client."""
        task = asyncio.get_running_loop().create_task(work, name=f"run-{request_id}")
        self._tasks[request_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request_id, None))

    async def drain(self, timeout_s: float, abort: Callable[[str], None]) -> int:
        """Let nobody in, wait for the running ones, abort what is left; how many were aborted.

        An aborted request still gets its receipt, so this waits for those too.
        """
        self.draining = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout_s)
        late = dict(self._tasks)
        for request_id in late:
            abort(request_id)
        if late:
            await asyncio.wait(late.values(), timeout=_RECEIPT_TIMEOUT_S)
        return len(late)
