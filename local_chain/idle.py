"""Empty blocks that let block time pass on a chain that otherwise mines only transactions."""

from dataclasses import dataclass, field

from local_chain.client import RpcClient

BLOCK_AGE_S = 2.0
"""The age of the head at which an empty block is mined after a recent transaction."""
SLOWDOWN = 60
"""The head may be this part of the time since the last transaction old: 2 s in the first two minutes, then more."""


@dataclass(slots=True)
class IdleMiner:
    """Mines an empty block when the head is older than BLOCK_AGE_S and 1/SLOWDOWN of the time since the last activity.

    Windows on the chain (activation delays, notice periods, answers to demands) end by block time, which does not
    advance between transactions. However long a window is, this ends it at most 1/60 of its length late, also if
    nobody transacts again. The files of an idle chain hardly grow: 60 · ln(t / 2 min) blocks in a time t, which is 400
    in the first day and 40 in the second. A start counts as activity, because a window may be open from an earlier run.
    """

    chain: RpcClient
    _number: int = field(default=-1, init=False)
    _seen_at: float = field(default=0.0, init=False)
    _active_at: float = field(default=0.0, init=False)

    def tick(self, now: float) -> None:
        """Mines a block if one is due. `now` is any monotonic clock, in seconds. To be called about every second."""
        number = self.chain.head().number
        if number != self._number:
            self._number, self._seen_at, self._active_at = number, now, now
        elif now - self._seen_at >= max(BLOCK_AGE_S, (self._seen_at - self._active_at) / SLOWDOWN):
            self.chain.call("evm_mine")
            self._number, self._seen_at = number + 1, now
