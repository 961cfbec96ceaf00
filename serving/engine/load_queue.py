"""Adapters on their way to the device, and the sequences that wait for them."""

from collections import deque
from collections.abc import Iterator

from serving.engine.sequence import Sequence, Stage
from serving.errors import InvalidRequest
from serving.tiers.popularity import Popularity
from serving.tiers.slots import Slots
from serving.types import AdapterDigest

PATIENCE_S = 2.0
"""After this wait for memory, adapters in use stop taking new requests until the waiting one fits."""


class LoadQueue:
    """Decides which adapter is loaded next. Owned by the engine thread.

    First those with sequences that wait, longest wait first; then pinned ones; then, only into bytes that are free and
    that nobody waits for, those a request is being prepared for, and the most popular of the absent ones.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._waiting: dict[AdapterDigest, deque[Sequence]] = {}
        self._pins: dict[AdapterDigest, int] = {}
        self._expected: dict[AdapterDigest, int] = {}
        self._popularity = Popularity()
        self._closed_to_new: frozenset[AdapterDigest] = frozenset()

    def __iter__(self) -> Iterator[Sequence]:
        return (sequence for queue in self._waiting.values() for sequence in queue)

    def check(self, adapter: AdapterDigest, nbytes: int) -> None:
        """Raises InvalidRequest if the adapter could never be loaded."""
        if not self._slots.could_hold(adapter, nbytes):
            raise InvalidRequest(
                "model",
                f"its adapter needs {nbytes} bytes; the budget is {self._slots.budget_bytes}, pinned adapters "
                "included. Raise adapter_device_bytes or unpin some.",
            )

    def asked(self, adapter: AdapterDigest, nbytes: int, now: float) -> bool:
        """Notes that a request for it has come; whether that request need not wait here."""
        self._popularity.asked(adapter, nbytes, now)
        return self._slots.is_resident(adapter) and adapter not in self._closed_to_new

    def push(self, sequence: Sequence) -> None:
        assert sequence.adapter is not None
        sequence.stage = Stage.LOADING
        self._waiting.setdefault(sequence.adapter, deque()).append(sequence)

    def remove(self, sequence: Sequence) -> None:
        assert sequence.adapter is not None
        waiting = self._waiting[sequence.adapter]
        waiting.remove(sequence)
        if not waiting:
            del self._waiting[sequence.adapter]

    def waiting_for(self, adapter: AdapterDigest) -> list[Sequence]:
        return list(self._waiting.get(adapter, ()))

    def take(self, adapter: AdapterDigest) -> deque[Sequence]:
        """The sequences that waited for it, which are out of here now."""
        return self._waiting.pop(adapter, deque())

    def arrived(self) -> list[AdapterDigest]:
        """The adapters with waiting sequences that are resident and take new ones."""
        return [each for each in self._waiting if self._slots.is_resident(each) and each not in self._closed_to_new]

    def pin(self, adapter: AdapterDigest, nbytes: int) -> None:
        """Keeps the adapter on the device from now on, and has it loaded as soon as it fits. Raises InvalidRequest."""
        self.check(adapter, nbytes)
        self._slots.pin(adapter)
        self._pins[adapter] = nbytes

    def expect(self, adapter: AdapterDigest, nbytes: int) -> None:
        """A request for it is being prepared: load it if that costs nobody anything."""
        self._expected[adapter] = nbytes

    def forget(self, adapter: AdapterDigest) -> None:
        """Do not load it again before somebody asks for it."""
        self._popularity.forget(adapter)
        self._expected.pop(adapter, None)

    def starts(self, now: float) -> list[AdapterDigest]:
        """Adapters whose bytes have just been reserved: the caller must load each, exactly once.

        Longest wait first. One that does not fit because others are in use is not overtaken by younger loads, and after
        PATIENCE_S the adapters in use take no new requests until it fits: so hot adapters cannot keep a cold one out.
        """
        started, blocked = [], False
        blocked_since = now
        for adapter, waiting in self._waiting.items():
            nbytes = waiting[0].adapter_bytes
            if self._slots.knows(adapter) or not self._slots.could_hold(adapter, nbytes):
                continue  # what others' pins keep out waits for an unpin; others need not
            if not self._slots.reserve(adapter, nbytes):
                blocked, blocked_since = True, waiting[0].arrived_at
                break
            started.append(adapter)
        closing = now - blocked_since > PATIENCE_S
        self._closed_to_new = self._slots.resident - self._slots.pinned if closing else frozenset()
        started += self._pinned_starts()
        if not blocked:
            started += self._speculative_starts()
        self._expected.clear()
        return started

    def _pinned_starts(self) -> list[AdapterDigest]:
        started = []
        for adapter, nbytes in list(self._pins.items()):
            if self._slots.knows(adapter) or adapter in self._waiting or adapter not in self._slots.pinned:
                del self._pins[adapter]
            elif self._slots.reserve(adapter, nbytes):
                started.append(adapter)
        return started

    def _speculative_starts(self) -> list[AdapterDigest]:
        """What somebody will probably ask for, as far as it needs no eviction; of the popular ones one at a time."""
        wanted = [each for each in self._expected.items() if not self._slots.knows(each[0])]
        if not wanted and not self._waiting and self._slots.has_freed and not self._slots.reserved_count:
            popular = self._popularity.most(self._slots.free_bytes, lambda each: not self._slots.knows(each))
            self._slots.has_freed = popular is not None
            wanted = [] if popular is None else [popular]
        return [adapter for adapter, nbytes in wanted if self._slots.reserve_free(adapter, nbytes)]
