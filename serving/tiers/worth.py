"""What it is worth to keep an adapter in a tier."""

from dataclasses import dataclass


@dataclass(slots=True)
class Worth:
    """worth = clock + hits * seconds to bring it back / bytes it takes; who has least leaves first.

    The clock moves up to the worth of whoever has left, so that old fame fades (GreedyDual-Size-Frequency, Cherkasova
    1998).
    """

    clock: float = 0.0

    def of(self, hits: int, reload_s: float, nbytes: int) -> float:
        return self.clock + hits * max(reload_s, 1e-6) / max(nbytes, 1)

    def left(self, worth: float) -> None:
        """One that was worth `worth` has left."""
        self.clock = max(self.clock, worth)
