"""A machine that gives the node too little memory, threads, files or disk: one clear error, wherever it shows."""

import asyncio
import errno
import os
import resource
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

LEAST_ADDRESS_SPACE_BYTES = 2 << 30
"""Below this, libraries fail in ways that cannot be caught: OpenMP ends the process if it gets no thread."""
_ENDING_S = 20
_EXIT_CODE = 3
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_FILES = (errno.EMFILE, errno.ENFILE)
_MEMORY = (errno.ENOMEM, errno.EAGAIN)
_MEMORY_WORDS = ("can't start new thread", "not enough memory", "cannot allocate memory", "failed to map segment")
_MORE_MEMORY = "Give it more (ulimit -v, ulimit -u, the memory of the container or service), or choose a smaller base."
_OURS = ("node.", "serving.", "local_chain.", "contracts.")
"""Packages whose errors already say what to do."""


class MachineExhausted(Exception):
    """The node cannot start on what this machine grants it. The message says what is lacking and how to get it."""


def require_address_space() -> None:
    """Raises MachineExhausted if the process may not use enough address space for any model."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < LEAST_ADDRESS_SPACE_BYTES:
        need = f"{LEAST_ADDRESS_SPACE_BYTES >> 20} MiB"
        raise MachineExhausted(
            f"This process may use {soft >> 20} MiB of address space, and a node needs at least {need}. "
            "Raise the limit first: ulimit -v unlimited (systemd: LimitAS=infinity)."
        )


def exhaustion_of(error: BaseException) -> MachineExhausted | None:
    """The clear error for `error` if it, or what caused it, is a lack of resources; else None."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        advice = _advice(cause)
        if advice is not None:
            return MachineExhausted(f"The node cannot start: {_described(cause)}. {advice}")
        cause = cause.__cause__ or cause.__context__
    return None


def _advice(error: BaseException) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    if number in _DISK:
        return "The disk is full, or a limit of file sizes is reached: free some space, or give another --home."
    if number in _FORBIDDEN:
        return "Check the owner and the permissions, or give another --home."
    if number in _FILES:
        return "Too many files are open: raise the limit (ulimit -n 4096)."
    starved = isinstance(error, RuntimeError | ImportError | OSError) and any(
        word in str(error).lower() for word in _MEMORY_WORDS
    )
    if number in _MEMORY or isinstance(error, MemoryError) or starved:
        return f"The memory or the threads that this process may use are exhausted. {_MORE_MEMORY}"
    return None


def _described(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


class StartGuard:
    """Turns a lack of resources during a start into MachineExhausted, also where nobody would see it.

    That is in a callback of the event loop, or on a thread: whoever waits for it would wait for ever. The start is then
    cancelled. If what was already built does not close within 20 seconds, the process ends with exit code 3. To be used
    on the main thread.
    """

    def __init__(self, start: "asyncio.Task[None]") -> None:
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._failure: MachineExhausted | None = None
        self._thread_hook = threading.excepthook

    def __enter__(self) -> Self:
        self._loop.set_exception_handler(self._in_callback)
        threading.excepthook = self._on_thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.set_exception_handler(None)
        threading.excepthook = self._thread_hook
        if self._failure is not None:
            raise self._failure from error
        if isinstance(error, Exception) and not type(error).__module__.startswith(_OURS):
            failure = exhaustion_of(error)
            if failure is not None:
                raise failure from error

    def _in_callback(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        failure = exhaustion_of(error) if isinstance(error, BaseException) else None
        if failure is None:
            loop.default_exception_handler(context)
        else:
            self._end(failure)

    def _on_thread(self, ended: threading.ExceptHookArgs) -> None:
        failure = exhaustion_of(ended.exc_value) if ended.exc_value is not None else None
        if failure is None:
            self._thread_hook(ended)
        else:
            self._loop.call_soon_threadsafe(self._end, failure)

    def _end(self, failure: MachineExhausted) -> None:
        if self._failure is None:
            self._failure = failure
            signal.signal(signal.SIGALRM, self._give_up)
            signal.alarm(_ENDING_S)
            self._start.cancel()

    def _give_up(self, _signal: int, _frame: FrameType | None) -> None:
        sys.stderr.write(f"error: {self._failure}\n")
        sys.stderr.flush()
        os._exit(_EXIT_CODE)
