"""Starts and stops a node: lock the home, bind, build the world, listen, wait for a signal, drain, close in reverse."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
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
from node.process.connections import Connections, Patience
from node.process.descriptors import allowance, raise_file_limit
from node.process.exhaustion import StartGuard, require_address_space
from node.process.listeners import Listener, bind, url_of
from node.readiness import Progress

if TYPE_CHECKING:
    from node.world import World

_log = structlog.get_logger("node.runtime")
_OPERATOR_CONNECTIONS, _OPERATOR_BACKLOG = 32, 8
_APP = "node.api.app"


@dataclass(frozen=True, slots=True)
class Ready:
    """A node that answers. took_s: seconds from the start of the process."""

    running: Running
    world: "World"
    took_s: float


class Screen(Protocol):
    """Shows the start and the end of a node to a person."""

    def progress(self, what: str, fraction: float) -> None:
        """A step of the start has come to `fraction`, from 0 to 1. May be called from any thread."""
        ...

    def ready(self, ready: Ready) -> None:
        """The node answers requests."""
        ...

    def draining(self, requests: int, timeout_s: float) -> None:
        """The node waits up to `timeout_s` seconds for running requests."""
        ...


class Stop:
    """SIGINT and SIGTERM: the first drains a node that listens and ends one that still loads; the second ends both."""

    def __init__(self, life: "asyncio.Task[None]") -> None:
        self._life = life
        self._asked = asyncio.Event()
        self._listening = False
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.ask)

    def ask(self) -> None:
        """A signal arrived."""
        if self._asked.is_set() or not self._listening:
            self._life.cancel()
        self._asked.set()

    async def wait(self) -> None:
        """Returns when the node is asked to stop. From the first call on, a signal no longer ends the task at once."""
        self._listening = True
        await self._asked.wait()


def run(settings: Settings, screen: Screen) -> None:
    """Runs a node until it is stopped by a signal. Blocks. Raises MachineExhausted if there is too little to start."""
    require_address_space()
    with owned(settings.home), contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_live(settings, screen))


async def _live(settings: Settings, screen: Screen) -> None:
    life = asyncio.current_task()
    assert life is not None, "asyncio.run makes a task"
    stop = Stop(life)
    async with AsyncExitStack() as stack:
        with StartGuard(life):
            ready = await stack.enter_async_context(listening(settings, screen))
        screen.ready(ready)
        await stop.wait()
        runs = ready.world.runs
        screen.draining(len(runs), settings.drain_timeout_s)
        aborted = await runs.drain(settings.drain_timeout_s, ready.world.service.abort)
        _log.info("node_drained", aborted=aborted)


@asynccontextmanager
async def listening(settings: Settings, screen: Screen) -> AsyncIterator[Ready]:
    """A node that answers requests while the block runs."""
    allowed = allowance(raise_file_limit(), settings.max_connections)
    async with AsyncExitStack() as stack:
        # bound first: a port in use should be reported before a model loads for minutes
        public = stack.enter_context(contextlib.closing(bind(settings.host, settings.port, "--port")))
        operator = stack.enter_context(contextlib.closing(bind("127.0.0.1", settings.admin_port, "--admin-port")))
        world = await _world(settings, screen.progress, stack)
        world.metrics.observe_engine(world.service.stats, world.service.activity)
        from node.api.app import create_admin_app, create_app

        patience = _patience(settings)
        operator_side = Connections(_OPERATOR_CONNECTIONS, patience)
        public_side = Connections(allowed.connections, patience)
        for listener in (
            Listener(create_admin_app(world), operator, operator_side, _OPERATOR_BACKLOG),
            Listener(create_app(world), public, public_side, allowed.backlog),
        ):
            await stack.enter_async_context(listener.open())
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


def _patience(settings: Settings) -> Patience:
    return Patience(
        head_s=settings.head_timeout_s,
        body_s=settings.body_timeout_s,
        write_s=settings.write_timeout_s,
        idle_s=settings.keep_alive_s,
    )


async def _world(settings: Settings, progress: Progress, stack: AsyncExitStack) -> "World":
    """The world for the settings' mode; `stack` closes it. A local chain starts while torch is imported."""
    starting_chain = None
    if settings.dev:
        from node.compose.chain_setup import dev_chain

        starting_chain = await stack.enter_async_context(dev_chain(settings, progress))
    progress("Loading libraries", 0.0)
    await asyncio.to_thread(_import_libraries)  # takes seconds, in which signals must be handled
    progress("Loading libraries", 1.0)
    if settings.free:
        from node.compose.free import free_world

        return await stack.enter_async_context(free_world(settings, progress))
    from node.compose.paid import dev_world, registered_world

    if starting_chain is not None:
        return await stack.enter_async_context(dev_world(settings, progress, starting_chain))
    return await stack.enter_async_context(registered_world(settings, progress))


def _import_libraries() -> None:
    """Imports what every node needs, torch among it.

    Imports make half a million objects that all stay. The garbage collector would go through them again and again while
    they are made, which takes a fifth of the time, and at every full collection of the node's life.
    """
    if _APP in sys.modules:  # several nodes in one process: what the others left behind must still be collected
        return
    gc.disable()
    try:
        import_module(_APP)
    finally:
        gc.freeze()
        gc.enable()


def process_age_s() -> float:
    """Seconds since this process started, so that the time to ready includes imports."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time()
