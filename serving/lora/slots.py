"""Which adapters live on the device: a budget in bytes, reference counts, pins, eviction by worth per byte."""

from collections.abc import Collection
from dataclasses import dataclass

from serving.errors import AdapterBusy
from serving.lora.slot import Slot
from serving.types import AdapterDigest


@dataclass(slots=True)
class _Home:
    """One adapter's place: reserved while `slot` is None (it is being loaded)."""

    nbytes: int
    slot: Slot | None = None
    references: int = 0
    hits: int = 0
    reload_s: float = 0.0
    priority: float = 0.0


class Slots:
    """Adapters by digest within `budget_bytes`. Owned by the engine thread.

    A sequence references its adapter from the moment it may run until it ends; a referenced or pinned adapter never
    leaves. Of the others the one with the lowest `clock + hits * reload cost / bytes` goes first, and the clock moves
    up to it, so that old fame fades (GreedyDual-Size-Frequency, Cherkasova 1998).
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.loads = 0
        self.load_seconds = 0.0
        self.evictions = 0
        self._homes: dict[AdapterDigest, _Home] = {}
        self._pinned: set[AdapterDigest] = set()
        self._clock = 0.0
        self.used_bytes = 0
        self.changed = False
        """Set whenever `resident` or `pinned` changes; whoever publishes them resets it."""

    @property
    def resident(self) -> frozenset[AdapterDigest]:
        return frozenset(digest for digest, home in self._homes.items() if home.slot is not None)

    @property
    def pinned(self) -> frozenset[AdapterDigest]:
        return frozenset(self._pinned)

    def get(self, digest: AdapterDigest) -> Slot:
        """The slot of a resident adapter."""
        slot = self._homes[digest].slot
        assert slot is not None
        return slot

    def is_resident(self, digest: AdapterDigest) -> bool:
        home = self._homes.get(digest)
        return home is not None and home.slot is not None

    def knows(self, digest: AdapterDigest) -> bool:
        """Whether the adapter is resident or being loaded."""
        return digest in self._homes

    def could_hold(self, digest: AdapterDigest, nbytes: int) -> bool:
        """Whether the adapter fits once everything that may leave has left."""
        pinned = sum(home.nbytes for other, home in self._homes.items() if other in self._pinned and other != digest)
        return nbytes + pinned <= self.budget_bytes

    def is_loading(self, digest: AdapterDigest) -> bool:
        home = self._homes.get(digest)
        return home is not None and home.slot is None

    def references(self, digest: AdapterDigest) -> int:
        home = self._homes.get(digest)
        return home.references if home else 0

    def reserve(self, digest: AdapterDigest, nbytes: int) -> bool:
        """Takes `nbytes` for a load that is about to start, evicting what is worth less; False if it cannot fit now."""
        assert digest not in self._homes
        victims = self._victims(nbytes - (self.budget_bytes - self.used_bytes))
        if victims is None:
            return False
        for victim in victims:
            self._drop(victim)
        self._homes[digest] = _Home(nbytes)
        self.used_bytes += nbytes
        return True

    def fill(self, slot: Slot, *, took_s: float) -> None:
        """The load that was reserved has ended well."""
        home = self._homes[slot.digest]
        assert home.slot is None
        assert slot.nbytes <= home.nbytes, "an adapter grew while it was loaded"
        self.used_bytes += slot.nbytes - home.nbytes
        home.slot, home.nbytes, home.reload_s = slot, slot.nbytes, took_s
        self.changed = True
        home.priority = self._clock
        self.loads += 1
        self.load_seconds += took_s

    def cancel(self, digest: AdapterDigest) -> None:
        """The load that was reserved has failed."""
        assert self.is_loading(digest)
        self.used_bytes -= self._homes.pop(digest).nbytes

    def acquire(self, digest: AdapterDigest) -> None:
        home = self._homes[digest]
        home.references += 1
        home.hits += 1
        home.priority = self._clock + home.hits * max(home.reload_s, 1e-6) / home.nbytes

    def release(self, digest: AdapterDigest) -> None:
        home = self._homes[digest]
        assert home.references > 0
        home.references -= 1

    def evict(self, digest: AdapterDigest) -> bool:
        """Frees the slot; False if there was none. Raises AdapterBusy if the adapter is in use or pinned."""
        home = self._homes.get(digest)
        if home is None:
            return False
        if digest in self._pinned:
            raise AdapterBusy(f"Adapter {digest} is pinned. Unpin it first.")
        if home.references or home.slot is None:
            raise AdapterBusy(f"Adapter {digest} serves {home.references} request(s) or is being loaded.")
        self._drop(digest)
        return True

    def pin(self, digest: AdapterDigest) -> None:
        self._pinned.add(digest)
        self.changed = True

    def unpin(self, digest: AdapterDigest) -> None:
        self._pinned.discard(digest)
        self.changed = True

    def check_integrity(self) -> None:
        """The bytes reserved and resident stay within the budget; nothing unloaded is referenced."""
        assert self.used_bytes == sum(home.nbytes for home in self._homes.values()) <= self.budget_bytes
        for digest, home in self._homes.items():
            assert home.references >= 0
            assert home.slot is None or (home.slot.digest == digest and home.slot.nbytes == home.nbytes)
            assert home.slot is not None or home.references == 0

    def _victims(self, missing_bytes: int) -> Collection[AdapterDigest] | None:
        """The least worthy idle adapters that free `missing_bytes`; None if all of them together do not."""
        idle = [d for d, h in self._homes.items() if h.slot is not None and not h.references and d not in self._pinned]
        victims = []
        for digest in sorted(idle, key=lambda each: self._homes[each].priority):
            if missing_bytes <= 0:
                break
            victims.append(digest)
            missing_bytes -= self._homes[digest].nbytes
        return victims if missing_bytes <= 0 else None

    def _drop(self, digest: AdapterDigest) -> None:
        home = self._homes.pop(digest)
        self.used_bytes -= home.nbytes
        self.changed = True
        self._clock = max(self._clock, home.priority)
        self.evictions += 1
