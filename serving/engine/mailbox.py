"""Commands from any thread to the engine thread. None is lost when that thread ends."""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from serving.engine.sequence import Sequence
from serving.errors import NotReady
from serving.lora.slot import Slot
from serving.types import AdapterDigest


@dataclass(frozen=True, slots=True)
class Submit:
    """Accepts a sequence."""

    sequence: Sequence


@dataclass(frozen=True, slots=True)
class Extend:
    """Raises the granted tokens of one choice of a request to a new total."""

    request_id: str
    choice: int
    granted_tokens: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Ends one choice of a request."""

    request_id: str
    choice: int


@dataclass(frozen=True, slots=True)
class Expect:
    """A request for this adapter is being prepared."""

    adapter: AdapterDigest
    nbytes: int


@dataclass(frozen=True, slots=True)
class AdapterLoaded:
    """An adapter has arrived on the device. stages: the seconds of each stage of the load."""

    slot: Slot
    stages: dict[str, float]

    @property
    def took_s(self) -> float:
        """The seconds of the load without the wait for a thread."""
        return sum(took_s for stage, took_s in self.stages.items() if stage != "wait")


@dataclass(frozen=True, slots=True)
class AdapterFailed:
    """An adapter could not be loaded; the requests that wait for it fail with `error`."""

    adapter: AdapterDigest
    error: str


@dataclass(frozen=True, slots=True)
class Run:
    """Runs `action` on the engine thread, then completes `done`."""

    action: Callable[[], None]
    done: "Future[None]"


@dataclass(frozen=True, slots=True)
class Unload:
    """Frees the adapter as soon as nothing uses it, then completes `done`."""

    adapter: AdapterDigest
    done: "Future[None]"


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the engine thread and aborts what is in flight."""


Command = Submit | Extend | Abort | Expect | AdapterLoaded | AdapterFailed | Run | Unload | Stop


class Mailbox:
    """A queue that can be closed: after `close` every `put` raises, and `close` hands over what was put before."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def put(self, command: Command) -> None:
        """Queues a command. Raises NotReady if the engine thread has ended."""
        with self._lock:
            if self._closed:
                raise NotReady("The engine has stopped. Restart the node.")
            self._commands.put(command)

    def offer(self, command: Command) -> None:
        """Queues a command, or drops it if the engine thread has ended: then every sequence has had its End."""
        with contextlib.suppress(NotReady):
            self.put(command)

    def run(self, action: Callable[[], None]) -> "Future[None]":
        """Queues `action` for the engine thread, which runs it between two steps; the future gets what it raises.

        Raises NotReady if the engine thread has ended.
        """
        done: Future[None] = Future()
        self.put(Run(action, done))
        return done

    def take(self, wait_s: float = 0.0) -> list[Command]:
        """Returns all queued commands; if there are none, waits up to `wait_s` (inf is allowed) for the first."""
        commands: list[Command] = []
        if wait_s > 0:
            with contextlib.suppress(queue.Empty):
                commands.append(self._commands.get(timeout=min(wait_s, threading.TIMEOUT_MAX)))
        while not self._commands.empty():
            commands.append(self._commands.get())
        return commands

    def close(self) -> list[Command]:
        """Refuses further commands; returns those that nobody has taken."""
        with self._lock:
            self._closed = True
        return self.take()

    @property
    def is_closed(self) -> bool:
        """Whether the engine thread has ended."""
        return self._closed
