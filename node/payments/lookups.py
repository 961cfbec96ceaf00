"""Limits how often strangers can make the node query the chain about a channel."""

from dataclasses import dataclass, field

from contracts.crypto import Bytes32

PAUSE_S = 2
MOST_PER_PAUSE = 50


@dataclass(slots=True)
class Lookups:
    """At most one lookup per channel and MOST_PER_PAUSE in all within PAUSE_S seconds. One event loop owns it."""

    _looked_at: dict[Bytes32, int] = field(default_factory=dict)

    def take(self, channel_id: Bytes32, now: int) -> bool:
        """Whether the chain may be queried about this channel at `now` (unix seconds). Counts the lookup if so."""
        self._looked_at = {key: at for key, at in self._looked_at.items() if 0 <= now - at < PAUSE_S}
        if channel_id in self._looked_at or len(self._looked_at) >= MOST_PER_PAUSE:
            return False
        self._looked_at[channel_id] = now
        return True
