"""The adapters in device memory: a budget in bytes, reference counts, pins, eviction by worth per byte."""

import heapq
from collections.abc import Collection
from dataclasses import dataclass

from serving.errors import AdapterBusy
from serving.lora.slot import Slot
from serving.tiers.worth import Worth
from serving.types import AdapterDigest


@dataclass(slots=True)
class _Home:
    """One adapter's place on the device. `slot` is None while the adapter is being loaded into it."""

    nbytes: int
    slot: Slot | None = None
    references: int = 0
    hits: int = 0
    reload_s: float = 0.0
    worth: float = 0.0


class Slots:
    """Adapters by digest within `budget_bytes`. Owned by the engine thread.

    There is no fixed number of slots: an adapter takes the bytes that its rank needs. A sequence references its adapter
    from the time it may run until it ends. A referenced or pinned adapter is never evicted; of the others the one with
    the least worth is evicted first.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.loads = 0
        self.evictions = 0
        self.reserved_count = 0
        self.used_bytes = 0
        self._homes: dict[AdapterDigest, _Home] = {}
        self._pinned: set[AdapterDigest] = set()
        self._worth = Worth()
        self.changed = False
        """Set when `resident` or `pinned` changes; the publisher of both resets it."""
        self.has_freed = False
        """Set when bytes become free; the load queue resets it when it has nothing to load into them."""

    @property
    def resident(self) -> frozenset[AdapterDigest]:
        """The adapters whose weights are on the device."""
        return frozenset(digest for digest, home in self._homes.items() if home.slot is not None)

    @property
    def resident_count(self) -> int:
        """How many adapters are resident."""
        return len(self._homes) - self.reserved_count

    @property
    def pinned(self) -> frozenset[AdapterDigest]:
        """The adapters that are never evicted, resident or not."""
        return frozenset(self._pinned)

    @property
    def free_bytes(self) -> int:
        """Bytes of the budget that are neither resident nor reserved."""
        return self.budget_bytes - self.used_bytes

    def get(self, digest: AdapterDigest) -> Slot:
        """The slot of a resident adapter."""
        slot = self._homes[digest].slot
        assert slot is not None
        return slot

    def is_resident(self, digest: AdapterDigest) -> bool:
        """Whether the adapter's weights are on the device."""
        home = self._homes.get(digest)
        return home is not None and home.slot is not None

    def knows(self, digest: AdapterDigest) -> bool:
        """Whether the adapter is resident or being loaded."""
        return digest in self._homes

    def could_hold(self, digest: AdapterDigest, nbytes: int) -> bool:
        """Whether the adapter fits after everything that is not pinned has been evicted."""
        pinned = sum(self._homes[each].nbytes for each in self._pinned if each != digest and each in self._homes)
        return nbytes + pinned <= self.budget_bytes

    def is_loading(self, digest: AdapterDigest) -> bool:
        """Whether bytes are reserved for the adapter and its load has not ended."""
        home = self._homes.get(digest)
        return home is not None and home.slot is None

    def references(self, digest: AdapterDigest) -> int:
        """How many sequences use the adapter; 0 if it is not resident."""
        home = self._homes.get(digest)
        return home.references if home else 0

    def reserve(self, digest: AdapterDigest, nbytes: int) -> bool:
        """Reserves `nbytes` for a load, evicting idle adapters if needed; False if it cannot fit now."""
        victims = self._victims(nbytes - self.free_bytes)
        if victims is None:
            return False
        for victim in victims:
            self._drop(victim)
        reserved = self.reserve_free(digest, nbytes)
        assert reserved, "the evictions freed less than they should have"
        return True

    def reserve_free(self, digest: AdapterDigest, nbytes: int) -> bool:
        """Reserves `nbytes` without evicting anything; False if it does not fit."""
        assert digest not in self._homes
        if nbytes > self.free_bytes:
            return False
        self._homes[digest] = _Home(nbytes)
        self.used_bytes += nbytes
        self.reserved_count += 1
        return True

    def fill(self, slot: Slot, *, took_s: float) -> None:
        """Completes a reserved load. took_s: how long the load took, which is what bringing it back would cost."""
        home = self._homes[slot.digest]
        assert home.slot is None
        assert slot.nbytes <= home.nbytes, "an adapter grew while it was loaded"
        self.used_bytes += slot.nbytes - home.nbytes
        home.slot, home.nbytes, home.reload_s = slot, slot.nbytes, took_s
        home.worth = self._worth.clock
        self.changed = True
        self.reserved_count -= 1
        self.loads += 1

    def cancel(self, digest: AdapterDigest) -> None:
        """Gives the bytes of a reserved load back: it has failed."""
        assert self.is_loading(digest)
        self.used_bytes -= self._homes.pop(digest).nbytes
        self.reserved_count -= 1
        self.has_freed = True

    def acquire(self, digest: AdapterDigest) -> None:
        """One more sequence uses the resident adapter."""
        home = self._homes[digest]
        home.references += 1
        home.hits += 1
        home.worth = self._worth.of(home.hits, home.reload_s, home.nbytes)

    def release(self, digest: AdapterDigest) -> None:
        """One sequence less uses the adapter."""
        home = self._homes[digest]
        assert home.references > 0
        home.references -= 1

    def evict(self, digest: AdapterDigest) -> bool:
        """Frees the slot; False if there was none. Raises AdapterBusy if the adapter is pinned, loading or in use."""
        home = self._homes.get(digest)
        if digest in self._pinned:
            raise AdapterBusy(digest, "is pinned. Unpin it first.")
        if home is None:
            return False
        if home.slot is None:
            raise AdapterBusy(digest, "is being loaded. Try again when that has ended.")
        if home.references:
            raise AdapterBusy(digest, f"serves {home.references} request(s). Try again when they have ended.")
        self._drop(digest)
        return True

    def pin(self, digest: AdapterDigest) -> None:
        """Excludes the adapter from eviction from now on, also if it is loaded later."""
        self._pinned.add(digest)
        self.changed = True

    def unpin(self, digest: AdapterDigest) -> None:
        """Lets the adapter be evicted again. Not an error if it is not pinned."""
        self._pinned.discard(digest)
        self.changed = True

    def check_integrity(self) -> None:
        """The bytes reserved and resident stay within the budget; nothing unloaded is referenced."""
        assert self.used_bytes == sum(home.nbytes for home in self._homes.values()) <= self.budget_bytes
        assert self.reserved_count == sum(home.slot is None for home in self._homes.values())
        for digest, home in self._homes.items():
            assert home.references >= 0
            assert home.slot is None or (home.slot.digest == digest and home.slot.nbytes == home.nbytes)
            assert home.slot is not None or home.references == 0

    def _victims(self, missing_bytes: int) -> Collection[AdapterDigest] | None:
        """The idle adapters of least worth that together free `missing_bytes`; None if all of them do not suffice."""
        if missing_bytes <= 0:
            return ()
        idle = [(home.worth, digest) for digest, home in self._homes.items() if self._may_leave(digest, home)]
        if sum(self._homes[digest].nbytes for _, digest in idle) < missing_bytes:
            return None
        heapq.heapify(idle)  # few of many leave
        victims = []
        while missing_bytes > 0:
            _, digest = heapq.heappop(idle)
            victims.append(digest)
            missing_bytes -= self._homes[digest].nbytes
        return victims

    def _may_leave(self, digest: AdapterDigest, home: _Home) -> bool:
        return home.slot is not None and not home.references and digest not in self._pinned

    def _drop(self, digest: AdapterDigest) -> None:
        home = self._homes.pop(digest)
        self.used_bytes -= home.nbytes
        self._worth.left(home.worth)
        self.changed = self.has_freed = True
        self.evictions += 1
