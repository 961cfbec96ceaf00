"""Whether the node may sell. While it may not, paid requests get 503 `not_ready` before anything is reserved."""

from collections.abc import Callable

from node.readiness import Check
from serving.errors import NotReady


class Sales:
    """The causes for which nothing may be sold, each with a reason that says what the operator can do.

    A cause that was stopped lasts until the node is restarted; then no numbered receipt is signed either. A cause that
    is on hold ends by itself. The event loop's thread changes them; any thread may read.
    """

    def __init__(self, *sources: Callable[[], str | None]) -> None:
        """sources: are asked before every sale, and return the reason of a stop that they know of."""
        self._sources = sources
        self._stopped: dict[str, str] = {}
        self._held: dict[str, str] = {}

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
        if self._stopped:
            return next(iter(self._stopped.values()))
        return next((reason for source in self._sources if (reason := source()) is not None), None)

    @property
    def problem(self) -> str | None:
        """Why nothing may be sold now; None if the node sells."""
        return self.stopped or next(iter(self._held.values()), None)

    def require(self) -> None:
        """Raises NotReady if nothing may be sold now."""
        if (problem := self.problem) is not None:
            raise NotReady(f"This node sells nothing now: {problem}")

    async def check(self) -> Check:
        """Whether the node sells, for /readyz: every reason why not."""
        reasons = [*self._stopped.values(), *self._held.values()]
        reasons += [reason for source in self._sources if (reason := source()) is not None]
        return Check(not reasons, " ".join(reasons) or "sells")
