"""A listener on a free port in front of a small ASGI application, and raw connections to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from node.process.connections import Connections, Patience
from node.process.listeners import Listener, bind

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Raw = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Echo:
    """Answers a whole request with its path and the length of its body; `answered` lists the paths.

    /wait is answered once `release` is set, /large with 4 MiB in pieces. `left` counts clients that left before.
    """

    release: asyncio.Event = field(default_factory=asyncio.Event)
    answered: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    left: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        self.started.append(scope["path"])
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if scope["path"] == "/wait":
            await self.release.wait()
        text = f"{scope['path']} {size}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64 if scope["path"] == "/large" else 0):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body", "body": text})
        self.answered.append(scope["path"])


@dataclass(frozen=True)
class Served:
    """A listener that answers, and its register of connections."""

    port: int
    connections: Connections

    async def connect(self, sent: bytes = b"") -> Raw:
        """A connection on which `sent` was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await writer.drain()
        return reader, writer

    async def ask(self, sent: bytes = GET) -> bytes:
        """All that a connection answers to `sent`, up to its end."""
        reader, writer = await self.connect(sent)
        with closing(writer):
            return await reader.read()

    async def holding(self, count: int) -> None:
        """Returns once the listener holds exactly `count` connections."""
        while len(self.connections) != count:  # noqa: ASYNC110 # the register has no event of its own
            await asyncio.sleep(0)
        self.connections.check_integrity()


@asynccontextmanager
async def served(app: ASGIApp, limit: int = 8, backlog: int = 8, **patience: float) -> AsyncIterator[Served]:
    """`app` behind a listener that holds `limit` connections, with the given seconds of patience."""
    bound = bind("127.0.0.1", 0, "--port")
    port = bound.getsockname()[1]
    connections = Connections(limit, Patience(**patience))
    async with asyncio.timeout(30), Listener(app, bound, connections, backlog).open():
        yield Served(port, connections)
