"""Who runs in the next step. Pure bookkeeping: no tensors, no clocks, no threads."""

from collections import Counter, deque
from collections.abc import Callable

from serving.batch import Batch, Row
from serving.errors import InvalidRequest
from serving.fair_queue import FairQueue
from serving.kv.pages import PAGE_TOKENS, PagePool, pages_for
from serving.lora.slot import Slot
from serving.lora.slots import Slots
from serving.sequence import Sequence, Stage
from serving.types import AdapterDigest

PREFILL_TOKENS = 512
"""Prompt tokens per step. Longer prompts take several steps, so that running sequences keep their pace."""
MAX_ROWS = 128
PATIENCE_S = 2.0
"""After this wait for memory, adapters in use stop taking new requests until the waiting one fits."""


class Scheduler:
    """Sequences in four places, each in one of them, by stage:

        loading  its adapter is not on the device       ready    its adapter is, its pages are not reserved yet
        running  adapter and all its pages are held     parked   the same, but waits for granted tokens

    Nothing in `ready` ever waits for `loading`. Pages are reserved for the longest possible output before a sequence
    runs, so none is ever preempted. Owned by the engine thread.
    """

    def __init__(self, pages: PagePool, slots: Slots) -> None:
        self.pages = pages
        self.slots = slots
        self._loading: dict[AdapterDigest, deque[Sequence]] = {}
        self._ready: FairQueue[Sequence] = FairQueue(_flow, _cost)
        self._running: list[Sequence] = []
        self._parked: list[Sequence] = []
        self._by_id: dict[str, Sequence] = {}
        self._closed_to_new: set[AdapterDigest] = set()
        self._prefetch: dict[AdapterDigest, int] = {}
        self.prompt_tokens_asked = self.prompt_tokens_reused = 0

    def submit(self, sequence: Sequence) -> None:
        """Takes in a sequence. Raises InvalidRequest if its id is in use or it could never fit."""
        if sequence.request_id in self._by_id:
            raise InvalidRequest("request_id", f"{sequence.request_id!r} is in flight already")
        if pages_for(sequence.longest_len) > self.pages.num_pages:
            raise InvalidRequest("max_new_tokens", "prompt and output do not fit the key-value cache")
        if sequence.adapter is not None and not self.slots.could_hold(sequence.adapter, sequence.adapter_bytes):
            raise InvalidRequest(
                "model",
                f"its adapter needs {sequence.adapter_bytes} bytes; the budget is {self.slots.budget_bytes}, pinned "
                "adapters included. Raise adapter_device_bytes or unpin some.",
            )
        self._by_id[sequence.request_id] = sequence
        adapter = sequence.adapter
        if adapter is None or (self.slots.is_resident(adapter) and adapter not in self._closed_to_new):
            self._make_ready(sequence)
        else:
            sequence.stage = Stage.LOADING
            self._loading.setdefault(adapter, deque()).append(sequence)

    def loads_to_start(self, now: float) -> list[AdapterDigest]:
        """Adapters whose bytes have just been reserved: the caller must load each, exactly once.

        Longest wait first. One that does not fit because others are in use is not overtaken by younger loads, and after
        PATIENCE_S the adapters in use take no new requests until it fits: so hot adapters cannot keep a cold one out.
        """
        started, blocked_since = [], now
        for adapter, waiting in self._loading.items():
            if self.slots.is_loading(adapter) or self.slots.is_resident(adapter):
                continue
            if not self.slots.could_hold(adapter, waiting[0].adapter_bytes):
                continue  # pinned since it was accepted: it waits for an unpin, others need not
            if not self.slots.reserve(adapter, waiting[0].adapter_bytes):
                blocked_since = waiting[0].arrived_at
                break
            started.append(adapter)
        closing = now - blocked_since > PATIENCE_S
        self._closed_to_new = set(self.slots.resident - self.slots.pinned) if closing else set()
        for adapter in [each for each in self._loading if self.slots.is_resident(each)]:
            if adapter not in self._closed_to_new:
                self._make_all_ready(adapter)
        for adapter, nbytes in list(self._prefetch.items()):
            if self.slots.knows(adapter) or adapter in self._loading:
                del self._prefetch[adapter]
            elif self.slots.reserve(adapter, nbytes):
                started.append(adapter)
        return started

    def pin(self, adapter: AdapterDigest, adapter_bytes: int) -> None:
        """Keeps the adapter on the device from now on, and has it loaded as soon as it fits. Raises InvalidRequest."""
        if not self.slots.could_hold(adapter, adapter_bytes):
            raise InvalidRequest(
                "model", "it does not fit beside the adapters that are pinned. Raise adapter_device_bytes."
            )
        self.slots.pin(adapter)
        self._prefetch[adapter] = adapter_bytes

    def adapter_ready(self, slot: Slot, took_s: float) -> None:
        self.slots.fill(slot, took_s=took_s)
        self._make_all_ready(slot.digest)

    def adapter_failed(self, adapter: AdapterDigest) -> list[Sequence]:
        """Gives the reserved bytes back; the sequences that waited for it are returned, ended."""
        self.slots.cancel(adapter)
        waiting = list(self._loading.get(adapter, ()))
        for sequence in waiting:
            self.end(sequence)
        return waiting

    def next_batch(self) -> Batch | None:
        """The rows of the next step; None if nothing can run."""
        self._admit()
        rows, budget = [], PREFILL_TOKENS
        for sequence in self._running:
            start, left = sequence.computed_len, sequence.total_len - sequence.computed_len
            take = left if sequence.is_decoding else min(left, budget)
            if take:
                budget -= 0 if sequence.is_decoding else take
                slot = None if sequence.adapter is None else self.slots.get(sequence.adapter)
                rows.append(Row(sequence, start, start + take, slot))
        return Batch.of(rows) if rows else None

    def park(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._parked.append(sequence)
        sequence.stage = Stage.PARKED

    def extend(self, request_id: str, granted_tokens: int) -> None:
        """Raises the total of granted tokens. An ended or unknown request needs none."""
        sequence = self._by_id.get(request_id)
        if sequence is None:
            return
        granted = min(granted_tokens, sequence.max_new_tokens)
        sequence.granted_tokens = max(sequence.granted_tokens, granted)
        if sequence.stage is Stage.PARKED and sequence.output_len < sequence.granted_tokens:
            self._parked.remove(sequence)
            self._running.append(sequence)
            sequence.stage = Stage.RUNNING

    def publish(self, sequence: Sequence) -> None:
        """Lets later sequences begin with the full pages of this one, whose numbers were finite in every step."""
        keys = sequence.computed_keys
        for i in range(sequence.published_pages, len(keys)):
            self.pages.publish(sequence.page_table[i], keys[i])
        sequence.published_pages = len(keys)

    def fail(self, sequence: Sequence) -> None:
        """Ends a sequence whose numbers were not finite; nobody begins with its pages any more."""
        self.pages.forget(sequence.page_table)
        sequence.published_pages = len(sequence.page_table)
        self.end(sequence)

    def end(self, sequence: Sequence) -> None:
        """Takes the sequence out, wherever it is, and frees all it holds."""
        if sequence.stage is Stage.LOADING:
            assert sequence.adapter is not None
            waiting = self._loading[sequence.adapter]
            waiting.remove(sequence)
            if not waiting:
                del self._loading[sequence.adapter]
        else:
            if sequence.is_decoding:
                self.publish(sequence)
            self._leave_memory(sequence)
        sequence.stage = Stage.ENDED
        del self._by_id[sequence.request_id]

    def find(self, request_id: str) -> Sequence | None:
        return self._by_id.get(request_id)

    @property
    def sequences(self) -> list[Sequence]:
        return list(self._by_id.values())

    def count(self, stage: Stage) -> int:
        return sum(sequence.stage is stage for sequence in self._by_id.values())

    @property
    def can_run(self) -> bool:
        """Whether a step would compute something now."""
        return bool(self._running or len(self._ready))

    def in_flight(self, adapter: AdapterDigest | None) -> int:
        return sum(sequence.adapter == adapter for sequence in self._by_id.values())

    def check_integrity(self) -> None:
        """Every sequence is in the one place its stage names; what is held is held by them and nothing else."""
        self.pages.check_integrity()
        self.slots.check_integrity()
        waiting = [sequence for queue in self._loading.values() for sequence in queue]
        places = {
            Stage.LOADING: waiting,
            Stage.READY: list(self._ready),
            Stage.RUNNING: self._running,
            Stage.PARKED: self._parked,
        }
        assert sum(map(len, places.values())) == len(self._by_id)
        for stage, sequences in places.items():
            assert all(sequence.stage is stage for sequence in sequences)
        in_memory = [sequence for sequence in self._by_id.values() if sequence.stage is not Stage.LOADING]
        assert self.pages.holders == Counter(page for each in self._by_id.values() for page in each.page_table)
        for adapter in self.slots.resident:
            assert self.slots.references(adapter) == sum(sequence.adapter == adapter for sequence in in_memory)
        for sequence in self._by_id.values():
            sequence.check_integrity()

    def _make_ready(self, sequence: Sequence) -> None:
        if sequence.adapter is not None:
            self.slots.acquire(sequence.adapter)
        sequence.stage = Stage.READY
        self._ready.push(sequence)

    def _make_all_ready(self, adapter: AdapterDigest) -> None:
        for sequence in self._loading.pop(adapter, ()):
            self._make_ready(sequence)

    def _admit(self) -> None:
        """Moves sequences from ready to running while pages last, with what is known of their prompts.

        Nobody overtakes the one whose turn it is.
        """
        while len(self._ready) and len(self._running) < MAX_ROWS:
            sequence = self._ready.peek()
            shared = self.pages.find(sequence.reusable_keys)
            others = pages_for(sequence.longest_len) - len(shared)
            if not self.pages.can_take(others, shared):
                return
            self._ready.pop()
            sequence.page_table = self.pages.take(others, shared)
            sequence.published_pages = len(shared)
            sequence.cached_len = sequence.computed_len = len(shared) * PAGE_TOKENS
            self.prompt_tokens_asked += sequence.prompt_len
            self.prompt_tokens_reused += sequence.cached_len
            sequence.stage = Stage.RUNNING
            self._running.append(sequence)

    def _leave_memory(self, sequence: Sequence) -> None:
        leave: dict[Stage, Callable[[Sequence], None]] = {
            Stage.READY: self._ready.remove,
            Stage.RUNNING: self._running.remove,
            Stage.PARKED: self._parked.remove,
        }
        leave[sequence.stage](sequence)
        self.pages.give_back(sequence.page_table)
        if sequence.adapter is not None:
            self.slots.release(sequence.adapter)


def _flow(sequence: Sequence) -> tuple[str, AdapterDigest | None]:
    return sequence.request.tenant, sequence.adapter


def _cost(sequence: Sequence) -> int:
    return sequence.prompt_len + sequence.max_new_tokens
