"""Who runs in the next step. Pure bookkeeping: no tensors, no clocks, no threads."""

from bisect import insort
from collections import Counter

from serving.engine.batch import Batch, Row
from serving.engine.deadlines import Deadlines
from serving.engine.load_queue import PATIENCE_S, LoadQueue
from serving.engine.ready_queue import ReadyQueue
from serving.engine.seniority import by_claim, flows, seniority, youngest_holder
from serving.engine.sequence import Sequence, SequenceId, Stage
from serving.errors import InvalidRequest
from serving.kv.pages import PAGE_TOKENS, PagePool, pages_for
from serving.lora.slot import Slot
from serving.tiers.slots import Slots
from serving.types import AdapterDigest

PREFILL_TOKENS = 512
"""The most prompt tokens per step. Longer prompts take several steps, so that running sequences keep their pace."""
MAX_ROWS = 128
_NEWCOMERS = 8
"""This part of the rows comes on top for flows that have none, so nobody can fill all and keep them waiting."""
_HEADROOM = 8
"""A flow that has rows takes pages for another one only while this part of all pages stays free."""


class Scheduler:
    """Sequences in four places, each in one of them, by stage:

        loading  its adapter is not on the device       ready    its adapter is; it waits for a row and pages
        running  it has a row, and pages so far         parked   it waits for granted tokens, and may keep its pages

    Nothing in `ready` ever waits for `loading`. A sequence enters `running` with the pages of what it has to compute,
    and grows page by page. When none is left, idle sequences lose theirs, then the running one with the least claim
    (see `by_claim`); it goes back to `ready`, ahead of those that have never run, and computes what it has lost again.
    The one with the first claim never waits, so something always ends. Owned by the engine thread.
    """

    def __init__(self, pages: PagePool, slots: Slots, max_rows: int = MAX_ROWS) -> None:
        self.pages = pages
        self.slots = slots
        self.max_rows = max_rows
        self.loading = LoadQueue(slots)
        self._ready = ReadyQueue()
        self._running: list[Sequence] = []
        self._parked: list[Sequence] = []
        self._by_id: dict[SequenceId, Sequence] = {}
        self.deadlines = Deadlines()
        self.admitted = self.preemptions = 0
        self.prompt_tokens_asked = self.prompt_tokens_reused = 0

    def submit(self, sequence: Sequence) -> None:
        """Takes in a sequence. Raises InvalidRequest if its id is in use or it could never fit."""
        if sequence.id in self._by_id:
            raise InvalidRequest("request_id", f"{sequence.request_id!r} is in flight already")
        if pages_for(sequence.longest_len) > self.pages.num_pages:
            raise InvalidRequest("max_new_tokens", "prompt and output do not fit the key-value cache")
        adapter = sequence.adapter
        if adapter is not None:
            self.loading.check(adapter, sequence.adapter_bytes)
        self._by_id[sequence.id] = sequence
        self.deadlines.add(sequence)
        if adapter is None or self.loading.asked(adapter, sequence.adapter_bytes, sequence.arrived_at):
            self._make_ready(sequence)
        else:
            self.loading.push(sequence)

    def loads_to_start(self, now: float) -> list[AdapterDigest]:
        """Adapters whose bytes have just been reserved: the caller must load each, exactly once."""
        started = self.loading.starts(now)
        for adapter in self.loading.arrived():
            self._make_all_ready(adapter)
        return started

    def adapter_ready(self, slot: Slot, took_s: float) -> None:
        self.slots.fill(slot, took_s=took_s)
        self._make_all_ready(slot.digest)

    def adapter_failed(self, adapter: AdapterDigest) -> list[Sequence]:
        """Gives the reserved bytes back; the sequences that waited for it are returned, ended."""
        self.slots.cancel(adapter)
        self.loading.forget(adapter)
        for sequence in (waiting := self.loading.waiting_for(adapter)):
            self.end(sequence)
        return waiting

    def next_batch(self, now: float, prefill_tokens: int = PREFILL_TOKENS) -> Batch | None:
        """The rows of the next step, with at most `prefill_tokens` of sequences that have more than one to compute.

        None if nothing can run. now: on the clock of the sequences' arrivals.
        """
        self._relieve(now)
        rows: list[Row] = []
        budget, claims = prefill_tokens, by_claim(self._running)
        # one prompt does not take all of a step from those behind it
        alone = sum(each.left_len > 1 for each in claims) + len(self._ready) <= 1
        most = prefill_tokens if alone else max(1, prefill_tokens * 3 // 4)
        done = 0
        while done < len(claims):
            done += 1
            if self._has_pages(claims[done - 1], claims, done):
                budget -= self._add(rows, claims[done - 1], min(budget, most))
        while len(rows) == len(claims) and budget > 0:  # else somebody waits for a page, or for a part of the budget
            sequence = self._admit()
            if sequence is None:
                break
            claims.append(sequence)
            budget -= self._add(rows, sequence, min(budget, most))
        return Batch.of(rows) if rows else None

    def park(self, sequence: Sequence) -> None:
        self._leave_row(sequence)
        self._parked.append(sequence)
        sequence.stage = Stage.PARKED

    def extend(self, request_id: str, granted_tokens: int, choice: int = 0) -> None:
        """Raises the total of granted tokens. An ended or unknown sequence needs none."""
        sequence = self._by_id.get((request_id, choice))
        if sequence is None:
            return
        sequence.granted_tokens = max(sequence.granted_tokens, min(granted_tokens, sequence.max_new_tokens))
        if sequence.stage is Stage.PARKED and sequence.output_len < sequence.granted_tokens:
            self._parked.remove(sequence)
            if sequence.page_table and len(self._running) < self.max_rows:
                self._enter_row(sequence)
            else:
                self._ready.push(sequence)

    def publish(self, sequence: Sequence) -> None:
        """Lets later sequences begin with the full pages of this one, whose numbers were finite in every step."""
        keys = sequence.finite_keys
        for i in range(sequence.published_pages, len(keys)):
            self.pages.publish(sequence.page_table[i], keys[i])
        sequence.published_pages = max(sequence.published_pages, len(keys))

    def fail(self, sequence: Sequence) -> None:
        """Ends a sequence whose numbers were not finite; nobody begins with its pages any more."""
        self.pages.forget(sequence.page_table)
        sequence.published_pages = len(sequence.page_table)
        self.end(sequence)

    def end(self, sequence: Sequence) -> None:
        """Takes the sequence out, wherever it is, and frees all it holds."""
        if sequence.stage is Stage.LOADING:
            self.loading.remove(sequence)
        else:
            self._leave_memory(sequence)
        sequence.stage = Stage.ENDED
        del self._by_id[sequence.id]

    def find(self, request_id: str, choice: int = 0) -> Sequence | None:
        """The sequence of one choice of a request, unless it has ended."""
        return self._by_id.get((request_id, choice))

    @property
    def sequences(self) -> list[Sequence]:
        return list(self._by_id.values())

    @property
    def can_run(self) -> bool:
        """Whether a step would compute something now."""
        return bool(self._running or len(self._ready))

    @property
    def is_decoding(self) -> bool:
        """Whether anybody waits for the next token of an answer."""
        return any(sequence.left_len == 1 for sequence in self._running)

    def in_flight(self, adapter: AdapterDigest | None) -> int:
        return sum(sequence.adapter == adapter for sequence in self._by_id.values())

    def check_integrity(self) -> None:
        """Every sequence is in the one place its stage names; what is held is held by them and nothing else."""
        self.pages.check_integrity()
        self.slots.check_integrity()
        stages = (Stage.LOADING, Stage.READY, Stage.RUNNING, Stage.PARKED)
        places = [list(each) for each in (self.loading, self._ready, self._running, self._parked)]
        assert sum(map(len, places)) == len(self._by_id)
        assert all(each.stage is stage for stage, place in zip(stages, places, strict=True) for each in place)
        assert all(sequence.has_begun for sequence in self._ready if sequence.page_table)
        assert self._running == sorted(self._running, key=seniority)
        assert len(self._running) <= self.max_rows + self.max_rows // _NEWCOMERS
        in_memory = [sequence for sequence in self._by_id.values() if sequence.stage is not Stage.LOADING]
        assert self.pages.holders == Counter(page for each in self._by_id.values() for page in each.page_table)
        for adapter in self.slots.resident:
            assert self.slots.references(adapter) == sum(sequence.adapter == adapter for sequence in in_memory)
        for sequence in self._by_id.values():
            sequence.check_integrity()

    def _make_ready(self, sequence: Sequence) -> None:
        if sequence.adapter is not None:
            self.slots.acquire(sequence.adapter)
        self._ready.push(sequence)

    def _make_all_ready(self, adapter: AdapterDigest) -> None:
        for sequence in self.loading.take(adapter):
            self._make_ready(sequence)

    def _add(self, rows: list[Row], sequence: Sequence, most: int) -> int:
        """Gives the sequence its row of the step; the tokens of the budget that this takes."""
        slot = None if sequence.adapter is None else self.slots.get(sequence.adapter)
        row = Row.of(sequence, most, slot)
        if row.count:
            rows.append(row)
        return 0 if row.is_decode else row.count

    def _has_pages(self, sequence: Sequence, claims: list[Sequence], done: int) -> bool:
        """Whether a running sequence has pages for all its tokens now, or could be given them.

        Of `claims` the sequences behind the first `done` may lose theirs for it, and are then taken off the end.
        """
        missing = pages_for(sequence.total_len) - len(sequence.page_table)
        if missing <= 0:
            return True
        while not self._make_room(missing, [], sequence):
            if len(claims) == done:
                return False
            self._preempt(claims.pop())
        sequence.page_table += self.pages.take(missing)
        return True

    def _make_room(self, count: int, shared: list[int], keep: Sequence) -> bool:
        """Whether `count` pages can be taken, if need be after sequences without a row, but `keep`, lost theirs."""
        while not self.pages.can_take(count, shared):
            victim = youngest_holder((*self._parked, *self._ready.resumed), keep)
            if victim is None:
                return False
            self._preempt(victim)
        return True

    def _relieve(self, now: float) -> None:
        """Lets a newcomer that has waited for PATIENCE_S take the place of whoever its flow has besides its first."""
        sequence = self._ready.next()
        if sequence is None or not self._ready.is_newcomer(sequence) or now - sequence.arrived_at <= PATIENCE_S:
            return
        latecomers = by_claim(self._running)[flows(self._running) :]
        while self._admit() is None and latecomers:
            self._preempt(latecomers.pop())

    def _admit(self) -> Sequence | None:
        """Moves the sequence whose turn it is from ready to running, with what is known of its tokens.

        Nobody overtakes it while it waits for pages. Each flow's first can still grow by a page afterwards, and unless
        it is a newcomer everybody.
        """
        sequence = self._ready.next()
        if sequence is None:
            return None
        is_newcomer = self._ready.is_newcomer(sequence)
        if len(self._running) >= self.max_rows + (self.max_rows // _NEWCOMERS if is_newcomer else 0):
            return None
        shared = [] if sequence.page_table else self.pages.find(sequence.reusable_keys)
        missing = pages_for(sequence.total_len) - len(sequence.page_table) - len(shared)
        if missing > 0:
            others = by_claim(self._running)[: flows(self._running)] if is_newcomer else self._running
            growing = sum(len(each.page_table) < pages_for(each.longest_len) for each in others)
            spare = growing if is_newcomer else max(growing, self.pages.num_pages // _HEADROOM)
            if not self._make_room(missing + spare, shared, sequence):
                return None
        self._ready.take(sequence)
        if not sequence.has_begun:
            sequence.seniority, sequence.cached_len = self.admitted, len(shared) * PAGE_TOKENS
            self.admitted += 1
            self.prompt_tokens_asked += sequence.prompt_len
            self.prompt_tokens_reused += sequence.cached_len
        if not sequence.page_table:
            sequence.begin_with(len(shared))
        sequence.page_table += self.pages.take(max(0, missing), shared)
        self._enter_row(sequence)
        return sequence

    def _preempt(self, sequence: Sequence) -> None:
        """Takes its pages. What is full of them can be found until others need it."""
        self.publish(sequence)
        self.pages.give_back(sequence.page_table)
        sequence.lose_pages()
        self.preemptions += 1
        if sequence.stage is Stage.RUNNING:
            self._leave_row(sequence)
            self._ready.push(sequence)

    def _enter_row(self, sequence: Sequence) -> None:
        insort(self._running, sequence, key=seniority)
        sequence.stage = Stage.RUNNING
        self._ready.row_begun(sequence)

    def _leave_row(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._ready.row_ended(sequence)

    def _leave_memory(self, sequence: Sequence) -> None:
        if sequence.stage is Stage.RUNNING:
            self._leave_row(sequence)
        elif sequence.stage is Stage.PARKED:
            self._parked.remove(sequence)
        else:
            self._ready.remove(sequence)
        self.publish(sequence)
        self.pages.give_back(sequence.page_table)
        if sequence.adapter is not None:
            self.slots.release(sequence.adapter)
