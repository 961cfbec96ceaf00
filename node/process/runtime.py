"""A node's life: own the home, bind, build the world, listen, wait, drain. What was opened last is closed first."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from node.config import Settings
from node.home.lock import owned
from node.home.run_file import Running, remove_run_file
from node.process.listeners import Listener, bind, url_of
from node.readiness import Progress

if TYPE_CHECKING:
    from node.world import World

_log = structlog.get_logger("node.runtime")


@dataclass(frozen=True, slots=True)
class Ready:
    """What there is to show once the node listens."""

    running: Running
    world: "World"
    took_s: float


class Screen(Protocol):
    """Where a start is watched."""

    def progress(self, what: str, fraction: float) -> None:
        """May be called from any thread; fraction from 0 to 1."""
        ...

    def ready(self, ready: Ready) -> None: ...

    def draining(self, requests: int, timeout_s: float) -> None: ...


class Stop:
    """SIGINT and SIGTERM: the first drains a listening node and ends one that still loads; the second forces."""

    def __init__(self, life: "asyncio.Task[None]") -> None:
        self._life = life
        self._asked = asyncio.Event()
        self._listening = False
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.ask)

    def ask(self) -> None:
        if self._asked.is_set() or not self._listening:
            self._life.cancel()
        self._asked.set()

    async def wait(self) -> None:
        self._listening = True
        await self._asked.wait()


def run(settings: Settings, screen: Screen) -> None:
    """Run a node until it is told to stop."""
    with owned(settings.home), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_live(settings, screen))


async def _live(settings: Settings, screen: Screen) -> None:
    life = asyncio.current_task()
    assert life is not None, "asyncio.run makes a task"
    stop = Stop(life)
    async with listening(settings, screen) as ready:
        screen.ready(ready)
        await stop.wait()
        runs = ready.world.runs
        screen.draining(len(runs), settings.drain_timeout_s)
        aborted = await runs.drain(settings.drain_timeout_s, ready.world.service.abort)
        _log.info("node_drained", aborted=aborted)


@asynccontextmanager
async def listening(settings: Settings, screen: Screen) -> AsyncIterator[Ready]:
    """A node that answers, from here until the block ends."""
    async with AsyncExitStack() as stack:
        # bound first: a taken port should not cost the minutes that a model takes to load
        public = stack.enter_context(contextlib.closing(bind(settings.host, settings.port, "--port")))
        operator = stack.enter_context(contextlib.closing(bind("127.0.0.1", settings.admin_port, "--admin-port")))
        world = await _world(settings, screen.progress, stack)
        world.metrics.observe_engine(world.service.stats, world.service.activity)
        from node.api.app import create_admin_app, create_app

        for app, socket in ((create_admin_app(world), operator), (create_app(world), public)):
            await stack.enter_async_context(Listener(app, socket).open())
        running = Running(
            os.getpid(),
            url_of(public),
            url_of(operator),
            world.admin_token,
            settings.mode,
            world.paid.rpc_url if world.paid else None,
        )
        running.write(settings.home)
        stack.callback(remove_run_file, settings.home)
        yield Ready(running, world, process_age_s())


async def _world(settings: Settings, progress: Progress, stack: AsyncExitStack) -> "World":
    """The world of the settings' mode; `stack` closes it. A chain of ours comes up while torch is imported."""
    rising = None
    if settings.dev:
        from node.compose.chain_setup import dev_chain

        rising = await stack.enter_async_context(dev_chain(settings, progress))
    progress("Loading libraries", 0.0)
    await asyncio.to_thread(import_module, "node.api.app")  # seconds, during which signals must be heard
    progress("Loading libraries", 1.0)
    from node.compose.free import free_world
    from node.compose.paid import dev_world, registered_world

    if rising is not None:
        return await stack.enter_async_context(dev_world(settings, progress, rising))
    build = free_world if settings.free else registered_world
    return await stack.enter_async_context(build(settings, progress))


def process_age_s() -> float:
    """How long this process has run, so that the time to ready counts imports too."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time()
