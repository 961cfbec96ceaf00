"""What `start` shows: bars while things load, then where the node is and what to type next."""

import threading
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from node.cli.context import Context
from node.runtime import Ready
from node.version import VERSION


class Screen:
    """The terminal of one start. `progress` may be called from any thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()
        columns = (TextColumn("  {task.description:<34}"), BarColumn(30), TimeElapsedColumn())
        self._bars = Progress(
            *columns, console=context.errors, disable=context.as_json or not context.errors.is_terminal
        )

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
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=1.0)
            self._bars.update(self._tasks[what], completed=fraction)

    def ready(self, ready: Ready) -> None:
        self._bars.stop()
        if self._context.as_json:
            self._context.emit(document(ready))
            return
        for line in lines(ready):
            self._context.console.print(line)

    def draining(self, requests: int, timeout_s: float) -> None:
        if not self._context.as_json:
            waiting = f"{requests} running requests get up to {timeout_s:g} s" if requests else "nothing is running"
            self._context.console.print(f"Draining: {waiting}. Press Ctrl-C again to force.")


def document(ready: Ready) -> dict[str, object]:
    """The machine's form of the banner."""
    running = ready.running
    return {
        "event": "ready",
        "pid": running.pid,
        "mode": running.mode,
        "url": running.url,
        "adminUrl": running.admin_url,
        "models": [card.name for card in ready.world.service.models()],
        "readySeconds": round(ready.took_s, 2),
    }


def lines(ready: Ready) -> list[str]:
    """The banner, one line each, in rich's markup."""
    running, service = ready.running, ready.world.service
    adapters = [card for card in service.models() if card.adapter is not None]
    shown = ", ".join(card.name for card in adapters[:8]) + (f" and {len(adapters) - 8} more" if adapters[8:] else "")
    example = adapters[0].name if adapters else service.base_name
    hardware = f"{service.device_name}, {service.dtype_name}"
    return [
        "",
        f"  Base      {service.base_name} ({hardware}, {service.context_tokens} tokens)",
        f"  Adapters  {shown or 'none yet: python -m node adapter add SRC'}",
        f"  API       {running.url}/v1",
        f"  Docs      {running.url}/docs",
        f"  Operator  {running.admin_url} (token in {ready.world.settings.home}/run.json)",
        "",
        f'  Try       python -m node chat {example} "Hello"',
        "",
        f"Ready in {ready.took_s:.1f} s",
    ]
