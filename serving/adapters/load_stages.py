"""How long each stage of loading an adapter takes."""

import time
from collections.abc import Callable


class LoadStages:
    """Seconds of each stage of one load, in order. A stage lasts from the end of the previous stage to its own end.

    wait: for a thread.   resolve: open the file, read its header.   read: into host memory.   verify: hash the bytes.
    copy: to the device.
    """

    def __init__(self, asked_at: float, clock: Callable[[], float] = time.monotonic) -> None:
        """asked_at: when the load was requested, in seconds of `clock`."""
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._ended_at = asked_at

    def ended(self, stage: str) -> None:
        """The stage ends now; a stage that occurs twice is summed."""
        now = self._clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._ended_at
        self._ended_at = now
