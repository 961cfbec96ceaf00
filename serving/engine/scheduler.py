"""Which sequences run in the next step. Pure bookkeeping: no tensors, no clocks, no threads."""

from bisect import insort
from collections import Counter

from serving.engine.batch import Batch, Row
from serving.engine.deadlines import Deadlines
from serving.engine.load_queue import PATIENCE_S, LoadQueue
from serving.engine.pace import Pace
from serving.engine.ready_queue import ReadyQueue
from serving.engine.seniority import by_claim, flow_count, seniority, spare_pages, youngest_holder
from serving.engine.sequence import Sequence, SequenceId, Stage
from serving.errors import InvalidRequest
from serving.kv.pages import PAGE_TOKENS, PagePool, pages_for
from serving.lora.slot import Slot
from serving.tiers.slots import Slots
from serving.types import AdapterDigest

MAX_ROWS = 128
_NEWCOMERS = 8
"""max_rows // _NEWCOMERS rows are added for flows that run nothing, so that no flow can keep all others waiting."""


class Scheduler:
    """Decides which sequences run in the next step. Owned by the engine thread.

    Every sequence is in one of four places, by stage:

        loading  its adapter is not on the device        ready    it waits for a row and for pages
        running  it has a row, and the pages it needs    parked   it waits for granted tokens and may keep its pages

    Nothing in `ready` ever waits for something in `loading`. A sequence enters `running` with the pages of what it has
    to compute next, and grows page by page. When no page is left, sequences without a row lose theirs first, then the
    running one with the lowest claim (see `by_claim`). That one returns to `ready`, ahead of those that have never run,
    and computes again what it has lost. The sequence with the first claim never waits, so something always ends.
    """

    def __init__(self, pages: PagePool, slots: Slots, max_rows: int = MAX_ROWS) -> None:
        self.pages, self.slots, self.max_rows = pages, slots, max_rows
        self.loading = LoadQueue(slots)
        self.ready = ReadyQueue()
        self.running: list[Sequence] = []  # by seniority
        self._parked: list[Sequence] = []
        self._by_id: dict[SequenceId, Sequence] = {}
        self.deadlines, self.pace = Deadlines(), Pace()
        self.admitted = self.preemptions = 0
        self.prompt_tokens_asked = self.prompt_tokens_reused = 0

    def submit(self, sequence: Sequence) -> None:
        """Accepts a sequence. Raises InvalidRequest if its id is in use or it could never fit."""
        if sequence.id in self._by_id:
            raise InvalidRequest("request_id", f"{sequence.request_id!r} is in flight already")
        if pages_for(sequence.longest_len) > self.pages.num_pages:
            raise InvalidRequest("max_new_tokens", "prompt and output do not fit the key-value cache")
        if (adapter := sequence.adapter) is not None:
            self.loading.check(adapter, sequence.adapter_bytes)
        self._by_id[sequence.id] = sequence
        self.deadlines.add(sequence)
        if adapter is None or self.loading.note_request(adapter, sequence.adapter_bytes, sequence.arrived_at):
            self._make_ready(sequence)
        else:
            self.loading.push(sequence)

    def loads_to_start(self, now: float) -> list[AdapterDigest]:
        """Reserves device memory for adapters and returns them: the caller must load each of them exactly once."""
        started = self.loading.reserve_next(now)
        for adapter in self.loading.usable():
            self._make_all_ready(adapter)
        return started

    def adapter_ready(self, slot: Slot, took_s: float) -> None:
        """An adapter has arrived on the device: the sequences that wait for it become ready."""
        self.slots.fill(slot, took_s=took_s)
        self._make_all_ready(slot.digest)

    def adapter_failed(self, adapter: AdapterDigest) -> list[Sequence]:
        """Frees the bytes reserved for the adapter; ends the sequences that waited for it and returns them."""
        self.slots.cancel(adapter)
        self.loading.forget(adapter)
        for sequence in (waiting := self.loading.waiting_for(adapter)):
            self.end(sequence)
        return waiting

    def next_batch(self, now: float, prefill_tokens: int | None = None) -> Batch | None:
        """The rows of the next step; None if nothing can run.

        now: seconds on the clock of the sequences' arrivals. prefill_tokens: the budget shared by the sequences that
        have more than one token to compute; None takes what the measured pace allows.
        """
        budget = prefill_tokens or self.pace.prefill_tokens(anybody_decodes=self.is_decoding)
        self._make_way_for_newcomer(now)
        rows: list[Row] = []
        claims = by_claim(self.running)
        # one prompt does not take a whole step from those behind it
        alone = sum(each.left_len > 1 for each in claims) + len(self.ready) <= 1
        most = budget if alone else max(1, budget * 3 // 4)
        done = 0
        while done < len(claims):
            done += 1
            if self._secure_pages(claims[done - 1], claims, done):
                budget -= self._add_row(rows, claims[done - 1], min(budget, most), now)
        while len(rows) == len(claims) and budget > 0:  # else a sequence waits for a page or for a share of the budget
            sequence = self._admit()
            if sequence is None:
                break
            claims.append(sequence)
            budget -= self._add_row(rows, sequence, min(budget, most), now)
        return Batch.of(rows, began_at=now) if rows else None

    def park(self, sequence: Sequence) -> None:
        """Takes the row of a sequence that has used up its granted tokens."""
        self._leave_row(sequence)
        self._parked.append(sequence)
        sequence.stage = Stage.PARKED

    def extend(self, request_id: str, granted_tokens: int, choice: int = 0) -> None:
        """Raises the total of granted tokens. Ended and unknown sequences are ignored."""
        sequence = self._by_id.get((request_id, choice))
        if sequence is None:
            return
        sequence.granted_tokens = max(sequence.granted_tokens, min(granted_tokens, sequence.max_new_tokens))
        if sequence.stage is Stage.PARKED and sequence.output_len < sequence.granted_tokens:
            self._parked.remove(sequence)
            if sequence.page_table and len(self.running) < self.max_rows:
                self._enter_row(sequence)
            else:
                self.ready.push(sequence)

    def publish(self, sequence: Sequence) -> None:
        """Offers the full pages of this sequence to later ones. Their KV is known to be finite."""
        keys = sequence.finite_keys
        for i in range(sequence.published_pages, len(keys)):
            self.pages.publish(sequence.page_table[i], keys[i])
        sequence.published_pages = max(sequence.published_pages, len(keys))

    def fail(self, sequence: Sequence) -> None:
        """Ends a sequence whose logits were not finite. Its pages leave the prefix cache."""
        self.pages.forget(sequence.page_table)
        sequence.published_pages = len(sequence.page_table)
        self.end(sequence)

    def end(self, sequence: Sequence) -> None:
        """Removes the sequence, whatever its stage, and frees everything it holds."""
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
        """All sequences that have not ended."""
        return list(self._by_id.values())

    @property
    def can_run(self) -> bool:
        """Whether a step would compute something now."""
        return bool(self.running or len(self.ready))

    @property
    def is_decoding(self) -> bool:
        """Whether a running sequence waits for its next output token."""
        return any(sequence.left_len == 1 for sequence in self.running)

    def in_flight(self, adapter: AdapterDigest | None) -> int:
        """The number of sequences that use the adapter and have not ended."""
        return sum(sequence.adapter == adapter for sequence in self._by_id.values())

    def check_integrity(self) -> None:
        """Every sequence is in the place of its stage; pages and slots are held by sequences and by nothing else."""
        self.pages.check_integrity()
        self.slots.check_integrity()
        stages = (Stage.LOADING, Stage.READY, Stage.RUNNING, Stage.PARKED)
        places = [list(each) for each in (self.loading, self.ready, self.running, self._parked)]
        assert sum(map(len, places)) == len(self._by_id)
        assert all(each.stage is stage for stage, place in zip(stages, places, strict=True) for each in place)
        assert all(sequence.has_begun for sequence in self.ready if sequence.page_table)
        assert self.running == sorted(self.running, key=seniority)
        assert len(self.running) <= self.max_rows + self.max_rows // _NEWCOMERS
        in_memory = [sequence for sequence in self._by_id.values() if sequence.stage is not Stage.LOADING]
        assert self.pages.holders == Counter(page for each in self._by_id.values() for page in each.page_table)
        for adapter in self.slots.resident:
            assert self.slots.references(adapter) == sum(sequence.adapter == adapter for sequence in in_memory)
        for sequence in self._by_id.values():
            sequence.check_integrity()

    def _make_ready(self, sequence: Sequence) -> None:
        if sequence.adapter is not None:
            self.slots.acquire(sequence.adapter)
        self.ready.push(sequence)

    def _make_all_ready(self, adapter: AdapterDigest) -> None:
        for sequence in self.loading.take(adapter):
            self._make_ready(sequence)

    def _add_row(self, rows: list[Row], sequence: Sequence, most: int, now: float) -> int:
        """Gives the sequence a row of up to `most` tokens; returns how many of them count against the budget."""
        slot = None if sequence.adapter is None else self.slots.get(sequence.adapter)
        row = Row.of(sequence, most, slot)
        if row.count:
            rows.append(row)
            sequence.began_at = now if sequence.began_at is None else sequence.began_at
        return 0 if row.is_decode else row.count

    def _secure_pages(self, sequence: Sequence, claims: list[Sequence], done: int) -> bool:
        """Takes the pages that a running sequence needs for all its tokens. Returns False if that is impossible.

        Preempts sequences behind the first `done` of `claims`, from the end, and removes them from `claims`.
        """
        missing = pages_for(sequence.total_len) - len(sequence.page_table)
        if missing <= 0:
            return True
        while not self._make_room(missing, [], sequence):
            if len(claims) == done:
                return False
            self.preempt(claims.pop())
        sequence.page_table += self.pages.take(missing)
        return True

    def _make_room(self, count: int, shared: list[int], keep: Sequence) -> bool:
        """Preempts sequences without a row, but not `keep`, until `count` pages and `shared` can be taken."""
        while not self.pages.can_take(count, shared):
            victim = youngest_holder((*self._parked, *self.ready.resumed), keep)
            if victim is None:
                return False
            self.preempt(victim)
        return True

    def _make_way_for_newcomer(self, now: float) -> None:
        """Admits a newcomer that has waited for PATIENCE_S; preempts those that are not the first of their flow."""
        sequence = self.ready.next()
        if sequence is None or not self.ready.is_newcomer(sequence) or now - sequence.arrived_at <= PATIENCE_S:
            return
        latecomers = by_claim(self.running)[flow_count(self.running) :]
        while self._admit() is None and latecomers:
            self.preempt(latecomers.pop())

    def _admit(self) -> Sequence | None:
        """Moves the next sequence from ready to running. No other one overtakes it while it waits for pages."""
        sequence = self.ready.next()
        if sequence is None:
            return None
        is_newcomer = self.ready.is_newcomer(sequence)
        if len(self.running) >= self.max_rows + (self.max_rows // _NEWCOMERS if is_newcomer else 0):
            return None
        shared = [] if sequence.page_table else self.pages.find(sequence.reusable_keys)
        missing = pages_for(sequence.total_len) - len(sequence.page_table) - len(shared)
        if missing > 0:
            spare = spare_pages(self.running, self.pages.num_pages, is_newcomer=is_newcomer)
            if not self._make_room(missing + spare, shared, sequence):
                return None
        self.ready.take(sequence)
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

    def preempt(self, sequence: Sequence) -> None:
        """Takes the sequence's pages, and its row if it runs. Full pages stay in the prefix cache until needed."""
        self.publish(sequence)
        self.pages.give_back(sequence.page_table)
        sequence.lose_pages()
        self.preemptions += 1
        if sequence.stage is Stage.RUNNING:
            self._leave_row(sequence)
            self.ready.push(sequence)

    def _enter_row(self, sequence: Sequence) -> None:
        insort(self.running, sequence, key=seniority)
        sequence.stage = Stage.RUNNING
        self.ready.row_begun(sequence)

    def _leave_row(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.ready.row_ended(sequence)

    def _leave_memory(self, sequence: Sequence) -> None:
        if sequence.stage is Stage.RUNNING:
            self._leave_row(sequence)
        elif sequence.stage is Stage.PARKED:
            self._parked.remove(sequence)
        else:
            self.ready.remove(sequence)
        self.publish(sequence)
        self.pages.give_back(sequence.page_table)
        if sequence.adapter is not None:
            self.slots.release(sequence.adapter)
