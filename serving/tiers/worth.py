"""The worth of keeping an adapter in a memory tier: which one to evict first."""

from dataclasses import dataclass


@dataclass(slots=True)
class Worth:
    """worth = clock + hits * reload seconds / bytes. The adapter with the least worth is evicted first.

    The clock rises to the worth of each evicted adapter, so that hits of long ago count less than recent ones.
    Source: GreedyDual-Size-Frequency, Cherkasova 1998.
    """

    clock: float = 0.0

    def of(self, hits: int, reload_s: float, nbytes: int) -> float:
        """The worth of an adapter that was just used."""
        return self.clock + hits * max(reload_s, 1e-6) / max(nbytes, 1)

    def left(self, worth: float) -> None:
        """An adapter of this worth was evicted."""
        self.clock = max(self.clock, worth)
