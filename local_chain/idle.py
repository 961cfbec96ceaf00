"""Empty blocks that let block time pass on a chain that otherwise mines only transactions."""

from dataclasses import dataclass, field

from local_chain.client import RpcClient

BLOCK_AGE_S = 2.0
"""The age of the head at which an empty block is mined."""
ACTIVE_S = 120.0
"""How long after the last transaction empty blocks are mined."""


@dataclass(slots=True)
class IdleMiner:
    """Mines an empty block when the head is `BLOCK_AGE_S` old and the chain was active within `ACTIVE_S`.

    Windows on the chain (activation delays, notice periods) end by block time, which does not advance between
    transactions. This advances it for two minutes after each transaction. Then the chain rests, so that the files of an
    idle node do not grow. A start counts as activity, because a window may be open from an earlier run.
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
        elif now - self._seen_at >= BLOCK_AGE_S and now - self._active_at < ACTIVE_S:
            self.chain.call("evm_mine")
            self._number, self._seen_at = number + 1, now
