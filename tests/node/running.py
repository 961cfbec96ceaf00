"""A real node in a thread of its own, listening on free ports: what the HTTP and CLI tests talk to."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from node.config import Settings, load
from node.process.logs import configure
from node.process.runtime import Ready, listening
from node.world import World

T = TypeVar("T")


class Silent:
    """A screen that nobody watches."""

    def progress(self, what: str, fraction: float) -> None: ...

    def ready(self, ready: Ready) -> None: ...

    def draining(self, requests: int, timeout_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class NodeThread:
    """The node's URLs, and a way into its event loop."""

    ready: Ready
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return self.ready.running.url

    @property
    def admin_url(self) -> str:
        return self.ready.running.admin_url

    @property
    def world(self) -> World:
        return self.ready.world

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.world.admin_token}"}

    def run(self, work: Callable[[World], Awaitable[T]]) -> T:
        """`work(world)` on the node's own loop."""

        async def call() -> T:
            return await work(self.world)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(30)


def free_settings(home: Path, **more: object) -> Settings:
    flags: dict[str, object] = {
        "home": home,
        "free": True,
        "port": 0,
        "admin_port": 0,
        "device": "cpu",
        "dtype": "fp32",
    }
    return load({**flags, **more}, {}).settings


@contextmanager
def node_thread(settings: Settings) -> Iterator[NodeThread]:
    """A node from `settings`, ready while the block runs."""
    configure("error", "text")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="node-under-test")
    thread.start()
    life = listening(settings, Silent())

    def run(work: Awaitable[T]) -> T:
        async def call() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(call(), loop).result(120)

    try:
        ready = run(life.__aenter__())
        try:
            yield NodeThread(ready, loop)
        finally:
            run(life.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
