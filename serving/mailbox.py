"""Commands from any thread to the engine thread, and the certainty that none is lost when that thread ends."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from serving.errors import NotReady
from serving.lora.slot import Slot
from serving.sequence import Sequence
from serving.types import AdapterDigest


@dataclass(frozen=True, slots=True)
class Submit:
    sequence: Sequence


@dataclass(frozen=True, slots=True)
class Extend:
    request_id: str
    granted_tokens: int


@dataclass(frozen=True, slots=True)
class Abort:
    request_id: str


@dataclass(frozen=True, slots=True)
class AdapterLoaded:
    slot: Slot
    took_s: float


@dataclass(frozen=True, slots=True)
class AdapterFailed:
    adapter: AdapterDigest
    error: str


@dataclass(frozen=True, slots=True)
class Call:
    """Runs `action` on the engine thread; `done` gets its end."""

    action: Callable[[], None]
    done: "Future[None]"


@dataclass(frozen=True, slots=True)
class Unload:
    """Frees the adapter once nothing uses it; then `done` is set."""

    adapter: AdapterDigest
    done: "Future[None]"


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the engine thread; what is in flight is aborted."""


Command = Submit | Extend | Abort | AdapterLoaded | AdapterFailed | Call | Unload | Stop


class Mailbox:
    """A queue that can be closed: after `close` every `put` raises, and what was put before is handed over."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def put(self, command: Command) -> None:
        """Raises NotReady if the engine thread has ended."""
        with self._lock:
            if self._closed:
                raise NotReady("The engine has stopped. Restart the node.")
            self._commands.put(command)

    def take(self, *, wait: bool) -> list[Command]:
        """All commands so far; with `wait` at least one."""
        commands = [self._commands.get()] if wait else []
        while not self._commands.empty():
            commands.append(self._commands.get())
        return commands

    def close(self) -> list[Command]:
        """Refuses further commands; returns those that nobody has taken."""
        with self._lock:
            self._closed = True
        return self.take(wait=False)

    @property
    def is_closed(self) -> bool:
        return self._closed
