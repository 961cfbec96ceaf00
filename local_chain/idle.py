"""Empty blocks that let time pass on a chain that mines only when it has something to mine."""

from dataclasses import dataclass, field

from local_chain.client import RpcClient

BLOCK_AGE_S = 2.0
ACTIVE_S = 120.0


@dataclass(slots=True)
class IdleMiner:
    """Mines an empty block when the head is `BLOCK_AGE_S` old and somebody else mined within `ACTIVE_S`.

    Windows on the chain (activation delays, notice periods) end by block time, which stands still between
    transactions. For two minutes after each transaction this keeps it moving; then the chain rests, so that a node
    left alone does not grow its files. A start counts as activity: a window may be open from before.
    """

    chain: RpcClient
    _number: int = field(default=-1, init=False)
    _seen_at: float = field(default=0.0, init=False)
    _active_at: float = field(default=0.0, init=False)

    def tick(self, now: float) -> None:
        """Looks once; `now` is any clock in seconds. Call it about every second."""
        number = self.chain.head().number
        if number != self._number:
            self._number, self._seen_at, self._active_at = number, now, now
        elif now - self._seen_at >= BLOCK_AGE_S and now - self._active_at < ACTIVE_S:
            self.chain.call("evm_mine")
            self._number, self._seen_at = number + 1, now
