"""Adapters that have to be loaded, and the sequences that wait for them."""

from collections import deque
from collections.abc import Iterator

from serving.engine.sequence import Sequence, Stage
from serving.errors import InvalidRequest
from serving.tiers.popularity import Popularity
from serving.tiers.slots import Slots
from serving.types import AdapterDigest

PATIENCE_S = 2.0
"""If an adapter waits longer than this for memory, adapters in use take no new requests until it fits."""


class LoadQueue:
    """Decides which adapter is loaded next. Owned by the engine thread.

    The order: adapters with waiting sequences, longest wait first; then pinned adapters; then, only into free bytes
    that no sequence waits for, adapters whose requests are being prepared, and the most popular absent adapters.
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

    def note_request(self, adapter: AdapterDigest, nbytes: int, now: float) -> bool:
        """Counts a request for the adapter. Returns whether it can use the adapter now, without waiting here."""
        self._popularity.asked(adapter, nbytes, now)
        return self._slots.is_resident(adapter) and adapter not in self._closed_to_new

    def push(self, sequence: Sequence) -> None:
        """Adds a sequence that waits for its adapter."""
        assert sequence.adapter is not None
        sequence.stage = Stage.LOADING
        self._waiting.setdefault(sequence.adapter, deque()).append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Removes a sequence that does not wait any longer."""
        assert sequence.adapter is not None
        waiting = self._waiting[sequence.adapter]
        waiting.remove(sequence)
        if not waiting:
            del self._waiting[sequence.adapter]

    def waiting_for(self, adapter: AdapterDigest) -> list[Sequence]:
        """The sequences that wait for the adapter, first come first."""
        return list(self._waiting.get(adapter, ()))

    def take(self, adapter: AdapterDigest) -> deque[Sequence]:
        """Removes and returns the sequences that wait for the adapter."""
        return self._waiting.pop(adapter, deque())

    def usable(self) -> list[AdapterDigest]:
        """The adapters with waiting sequences that are resident and take new requests."""
        return [each for each in self._waiting if self._slots.is_resident(each) and each not in self._closed_to_new]

    def pin(self, adapter: AdapterDigest, nbytes: int) -> None:
        """Keeps the adapter on the device from now on, and loads it as soon as it fits. Raises InvalidRequest."""
        self.check(adapter, nbytes)
        self._slots.pin(adapter)
        self._pins[adapter] = nbytes

    def expect(self, adapter: AdapterDigest, nbytes: int) -> None:
        """A request for the adapter is being prepared: loads it if free memory is enough."""
        self._expected[adapter] = nbytes

    def forget(self, adapter: AdapterDigest) -> None:
        """Does not load the adapter again before a request asks for it."""
        self._popularity.forget(adapter)
        self._expected.pop(adapter, None)

    def reserve_next(self, now: float) -> list[AdapterDigest]:
        """Reserves device memory for adapters and returns them: the caller must load each of them exactly once.

        An adapter that does not fit because others are in use is not overtaken by later loads. After PATIENCE_S the
        adapters in use take no new requests until it fits, so hot adapters cannot keep a cold one out.
        """
        started, blocked = [], False
        blocked_since = now
        for adapter, waiting in self._waiting.items():
            nbytes = waiting[0].adapter_bytes
            if self._slots.knows(adapter) or not self._slots.could_hold(adapter, nbytes):
                continue  # it waits for an unpin, and later loads do not wait for it
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
        """Adapters that requests will probably need, if they fit without an eviction; popular ones one at a time."""
        wanted = [each for each in self._expected.items() if not self._slots.knows(each[0])]
        if not wanted and not self._waiting and self._slots.has_freed and not self._slots.reserved_count:
            popular = self._popularity.most(self._slots.free_bytes, lambda each: not self._slots.knows(each))
            self._slots.has_freed = popular is not None
            wanted = [] if popular is None else [popular]
        return [adapter for adapter, nbytes in wanted if self._slots.reserve_free(adapter, nbytes)]
