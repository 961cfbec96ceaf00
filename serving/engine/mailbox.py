"""Commands from any thread to the engine thread, and the certainty that none is lost when that thread ends."""

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
    sequence: Sequence


@dataclass(frozen=True, slots=True)
class Extend:
    request_id: str
    choice: int
    granted_tokens: int


@dataclass(frozen=True, slots=True)
class Abort:
    request_id: str
    choice: int


@dataclass(frozen=True, slots=True)
class Expect:
    """A request for this adapter is being prepared."""

    adapter: AdapterDigest
    nbytes: int


@dataclass(frozen=True, slots=True)
class AdapterLoaded:
    """stages: the seconds of each stage of the load; took_s: of all but the wait for a thread."""

    slot: Slot
    stages: dict[str, float]

    @property
    def took_s(self) -> float:
        return sum(took_s for stage, took_s in self.stages.items() if stage != "wait")


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


Command = Submit | Extend | Abort | Expect | AdapterLoaded | AdapterFailed | Call | Unload | Stop


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

    def take(self, wait_s: float = 0.0) -> list[Command]:
        """All commands so far; if there are none, the first that comes within `wait_s`, which may be inf."""
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
        return self._closed
