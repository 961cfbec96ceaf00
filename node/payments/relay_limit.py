"""Limits how often the node pays gas to relay deposits."""

from collections import deque
from dataclasses import dataclass, field

from contracts.crypto import Address
from node.payments.errors import RelayLimited

WINDOW_S = 60


@dataclass(slots=True)
class RelayLimit:
    """At most `per_payer` and `in_all` deposits within any WINDOW_S seconds. One event loop owns it."""

    per_payer: int = 6
    in_all: int = 60
    _taken: deque[tuple[int, Address]] = field(default_factory=deque)

    def take(self, payer: Address, now: int) -> None:
        """Counts one relay at `now` (unix seconds); RelayLimited if the limit is reached."""
        while self._taken and self._taken[0][0] <= now - WINDOW_S:
            self._taken.popleft()
        of_payer = [at for at, who in self._taken if who == payer]
        if len(of_payer) >= self.per_payer:
            raise RelayLimited(of_payer[-self.per_payer] + WINDOW_S - now)
        if len(self._taken) >= self.in_all:
            raise RelayLimited(self._taken[0][0] + WINDOW_S - now)
        self._taken.append((now, payer))
