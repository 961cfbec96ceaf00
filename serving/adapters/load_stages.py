"""Where the time of loading an adapter goes."""

import time
from collections.abc import Callable


class LoadStages:
    """Seconds of each stage of one load, in the order passed; a stage lasts from the end of the one before.

    wait: for a thread.   resolve: which file, and what it says of itself.   read: into host memory.   verify: its hash.
    copy: to the device.
    """

    def __init__(self, asked_at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._ended_at = asked_at

    def ended(self, stage: str) -> None:
        now = self._clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._ended_at
        self._ended_at = now
