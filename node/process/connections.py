"""The open connections of one listener: how long each may wait for its client, and which one gives way to a new one."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Phase(Enum):
    """What a connection waits for."""

    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "the node's answer"
    UNREAD = "the client to read what was sent"
    IDLE = "the client's next request"
    CLOSING = "the client to read the last bytes before the connection closes"


_GIVES_WAY = (Phase.IDLE, Phase.HEAD, Phase.CLOSING, Phase.BODY, Phase.UNREAD)
"""The order in which connections are closed to make room. One whose answer is being computed is never closed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a connection may spend in each phase. An answer may take as long as the node needs.

    write_s: for the client to read about 64 KiB.
    """

    head_s: float = 10
    body_s: float = 60
    write_s: float = 60
    idle_s: float = 75

    def of(self, phase: Phase) -> float | None:
        """The seconds that a connection may stay in `phase`; None if there is no limit."""
        return {
            Phase.HEAD: self.head_s,
            Phase.BODY: self.body_s,
            Phase.UNREAD: self.write_s,
            Phase.IDLE: self.idle_s,
            Phase.CLOSING: self.write_s,
            Phase.ANSWER: None,
        }[phase]


class Evictable(Protocol):
    """A connection that can be closed from outside."""

    def evict(self) -> None:
        """Closes the connection at once. Its client gets no answer."""

    def retire(self) -> None:
        """Closes the connection after the answer that is being computed, whatever else the client has sent."""


class Connections:
    """The open connections, at most `limit`. Owned by the event loop's thread.

    When a connection arrives at the limit, the one that has waited longest for its own client is closed: first idle
    ones, then those whose request is incomplete, then those whose client does not read. So clients that send half
    requests displace one another, and a client that sends a whole request is served. If all are being answered, the
    new one is refused, and one of the others closes after its answer: a client that sends request after request on
    one connection does not keep it.
    """

    def __init__(self, limit: int, patience: Patience) -> None:
        self.limit, self.patience = limit, patience
        self._phases: dict[Evictable, Phase] = {}
        self._in_phase: dict[Phase, OrderedDict[Evictable, None]] = {phase: OrderedDict() for phase in Phase}

    def __len__(self) -> int:
        return len(self._phases)

    def admit(self, connection: Evictable) -> bool:
        """Counts a new connection, which waits for a request's head. False if all others are being answered."""
        if len(self) >= self.limit and not self._make_room():
            return False
        self._put(connection, Phase.HEAD)
        return True

    def entered(self, connection: Evictable, phase: Phase) -> None:
        """A connection waits for something else, or starts to wait anew. Ignored for one that is not counted."""
        if connection in self._phases:
            self.left(connection)
            self._put(connection, phase)

    def left(self, connection: Evictable) -> None:
        """A connection was closed. One that is not counted is ignored."""
        phase = self._phases.pop(connection, None)
        if phase is not None:
            del self._in_phase[phase][connection]

    def check_integrity(self) -> None:
        """Every connection is in exactly one phase, and there are at most `limit`."""
        listed = [(connection, phase) for phase, members in self._in_phase.items() for connection in members]
        assert len(listed) == len(self._phases) <= self.limit
        assert all(self._phases[connection] is phase for connection, phase in listed)

    def _put(self, connection: Evictable, phase: Phase) -> None:
        self._phases[connection] = phase
        self._in_phase[phase][connection] = None

    def _make_room(self) -> bool:
        for phase in _GIVES_WAY:
            if self._in_phase[phase]:
                oldest = next(iter(self._in_phase[phase]))
                self.left(oldest)
                oldest.evict()
                return True
        answered = self._in_phase[Phase.ANSWER]
        longest = next(iter(answered))
        longest.retire()
        answered.move_to_end(longest)  # the next refusal asks another
        return False
