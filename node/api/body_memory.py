"""The memory of all request bodies together, as ASGI middleware."""

import asyncio
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import Overloaded

_RETRY_AFTER_S = 1.0


class BodyMemory:
    """At most `limit_bytes` of request bodies, from the arrival of each byte to the end of its request.

    When a byte does not fit, the unfinished body that began first is refused with Overloaded. So clients that send
    their bodies slowly displace one another, and a body that arrives at once is served. If all bodies are complete,
    the new one is refused. Owned by the event loop's thread.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._arriving: OrderedDict[_Body, None] = OrderedDict()
        self.held_bytes = 0

    def begin(self) -> "_Body":
        """A body of which nothing has arrived. Call its `end` when its request has ended."""
        return _Body(self)

    def take(self, body: "_Body", nbytes: int, *, complete: bool) -> None:
        """Counts bytes of `body` that have arrived. Raises Overloaded."""
        while self.held_bytes + nbytes > self._limit_bytes:
            oldest = next((other for other in self._arriving if other is not body), None)
            if oldest is None:
                body.end()
                raise Overloaded(_RETRY_AFTER_S)
            oldest.refuse()
        self.held_bytes += nbytes
        body.held_bytes += nbytes
        if complete:
            self._arriving.pop(body, None)
        elif body.held_bytes:
            self._arriving.setdefault(body)

    def forget(self, body: "_Body") -> None:
        """Frees what `body` holds."""
        self._arriving.pop(body, None)
        self.held_bytes -= body.held_bytes


class _Body:
    """One request's body while it arrives and while it is held."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._refused = False
        self._waiting: asyncio.Timeout | None = None
        self.held_bytes = 0

    async def next(self, receive: Receive) -> Message:
        """The next message of the request. Raises Overloaded if its memory went to another body meanwhile."""
        try:
            if self._refused:
                raise Overloaded(_RETRY_AFTER_S)
            async with asyncio.timeout(None) as self._waiting:
                message = await receive()
        except TimeoutError:
            raise Overloaded(_RETRY_AFTER_S) from None
        finally:
            self._waiting = None
        if message["type"] == "http.request":
            self._memory.take(self, len(message.get("body", b"")), complete=not message.get("more_body", False))
        return message

    def refuse(self) -> None:
        """Frees the memory; the request fails with Overloaded when it reads on."""
        self.end()
        self._refused = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def end(self) -> None:
        """The request has ended. A second call changes nothing."""
        self._memory.forget(self)
        self.held_bytes = 0


class BoundedBodies:
    """ASGI middleware that counts the bytes of every request's body in a `BodyMemory`."""

    def __init__(self, app: ASGIApp, memory: BodyMemory) -> None:
        self._app, self._memory = app, memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Reading its body raises Overloaded if there is no memory for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = self._memory.begin()
        try:
            await self._app(scope, lambda: body.next(receive), send)
        finally:
            body.end()
