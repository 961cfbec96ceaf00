"""The time that receipts are dated by: the later of the wall clock and the newest block, if the two agree.

A ledger's times only grow, and a fee needs a short time between start and end. So one wrong time in one receipt would
make every later fee invalid: a clock that is years ahead, or a block time that a faulty endpoint made up.
"""

from dataclasses import dataclass

from local_chain.genesis import CHAIN_ID

TOLERANCE_S = 600
"""How far wall clock and newest block may differ. It is far above any block interval, and far below `maxDuration`."""
DEV_CHAIN_TOLERANCE_S = 30 * 86_400
"""The same on a development chain, which mines only when it is used, and whose time a developer may move."""


@dataclass(frozen=True, slots=True)
class ClockTolerance:
    """seconds: the most that wall clock and newest block may differ in either direction."""

    seconds: int = TOLERANCE_S

    @classmethod
    def of_chain(cls, chain_id: int, configured: int | None = None) -> "ClockTolerance":
        """The configured tolerance, else the default of the chain."""
        default = DEV_CHAIN_TOLERANCE_S if chain_id == CHAIN_ID else TOLERANCE_S
        return cls(default if configured is None else configured)

    def time(self, wall: int, head: int) -> int | None:
        """max(wall, head) in unix seconds; None if they differ too much, since then one of them is wrong."""
        return max(wall, head) if abs(wall - head) <= self.seconds else None

    def problem(self, wall: int, head: int) -> str | None:
        """What to tell the operator; None if the two agree."""
        if self.time(wall, head) is not None:
            return None
        side = "ahead of" if head > wall else "behind"
        return (
            f"the chain's newest block is dated {abs(wall - head)} s {side} this machine's clock, more than the "
            f"{self.seconds} s of `clock_tolerance_s`. Set the clock (NTP), or use another --chain-rpc."
        )
