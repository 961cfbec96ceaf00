"""The terminal of one start: bars while things load, then the banner."""

import threading
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from node.cli.banner import document, lines
from node.cli.context import Context
from node.process.runtime import Ready
from node.version import VERSION


class Screen:
    """Shows the progress of a start and then the banner. `progress` may be called from any thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()
        columns = (TextColumn("  {task.description:<40}"), BarColumn(30), TimeElapsedColumn())
        hidden = context.as_json or not context.colors or not context.errors.is_terminal
        self._bars = Progress(*columns, console=context.errors, disable=hidden)

    def __enter__(self) -> Self:
        if not self._context.as_json:
            self._context.console.print(f"OpenLoRA node {VERSION}")
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def progress(self, what: str, fraction: float) -> None:
        """Updates the bar of one step of the start; `fraction` from 0 to 1."""
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=1.0)
            self._bars.update(self._tasks[what], completed=fraction)

    def ready(self, ready: Ready) -> None:
        """Prints the banner."""
        self._bars.stop()
        if self._context.as_json:
            self._context.emit(document(ready))
            return
        for line in lines(ready):
            self._context.console.print(line, markup=True)

    def draining(self, requests: int, timeout_s: float) -> None:
        """Reports how many requests the drain waits for, and for how many seconds at most."""
        if not self._context.as_json:
            waiting = (
                f"waiting up to {timeout_s:g} s for {requests} running requests"
                if requests
                else "no request is running"
            )
            self._context.console.print(f"Draining: {waiting}. Press Ctrl-C again to force.")
