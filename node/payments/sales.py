"""Whether the node may sell. While it may not, paid requests get 503 `not_ready` before anything is reserved."""

from collections.abc import Callable, Iterator

from node.readiness import Check
from serving.errors import NotReady


class Sales:
    """The causes for which nothing may be sold, each with a reason that says what the operator can do.

    A cause that was stopped lasts until the node is restarted; then no numbered receipt is signed either. A cause that
    is on hold ends by itself. The event loop's thread changes them; any thread may read.
    """

    def __init__(self, *stops: Callable[[], str | None]) -> None:
        """stops: are asked before every sale, and return the reason of a stop that they know of."""
        self._stops = stops
        self._holds: tuple[Callable[[], str | None], ...] = ()
        self._stopped: dict[str, str] = {}
        self._held: dict[str, str] = {}

    def watch(self, hold: Callable[[], str | None]) -> None:
        """Asks `hold` before every sale as well; while it returns a reason, nothing is sold."""
        self._holds += (hold,)

    def stop(self, cause: str, reason: str) -> bool:
        """Ends selling until the node is restarted. Returns whether the cause is new."""
        known = cause in self._stopped
        self._stopped.setdefault(cause, reason)
        return not known

    def hold(self, cause: str, reason: str) -> bool:
        """Ends selling until `allow`. Returns whether the reason is new."""
        known = self._held.get(cause) == reason
        self._held = {**self._held, cause: reason}
        return not known

    def allow(self, cause: str) -> bool:
        """Ends a hold. Returns whether there was one."""
        known = cause in self._held
        self._held = {name: reason for name, reason in self._held.items() if name != cause}
        return known

    @property
    def stopped(self) -> str | None:
        """Why nothing may be sold or signed until a restart; None if there is no such reason."""
        return next(self._stop_reasons(), None)

    @property
    def problem(self) -> str | None:
        """Why nothing may be sold now; None if the node sells."""
        return next(self._reasons(), None)

    def require(self) -> None:
        """Raises NotReady if nothing may be sold now."""
        if (problem := self.problem) is not None:
            raise NotReady(f"This node sells nothing now: {problem}")

    async def check(self) -> Check:
        """Whether the node sells, for /readyz: every reason why not."""
        reasons = " ".join(self._reasons())
        return Check(not reasons, reasons or "sells")

    def _stop_reasons(self) -> Iterator[str]:
        yield from self._stopped.values()
        yield from (reason for ask in self._stops if (reason := ask()) is not None)

    def _reasons(self) -> Iterator[str]:
        yield from self._stop_reasons()
        yield from self._held.values()
        yield from (reason for ask in self._holds if (reason := ask()) is not None)
