"""The engine: one thread that owns the model, the adapters' slots and the pages. It does no file or network I/O."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Literal, Protocol

import torch

from serving.engine.batch import Batch
from serving.engine.mailbox import (
    Abort,
    AdapterFailed,
    AdapterLoaded,
    Call,
    Command,
    Expect,
    Extend,
    Mailbox,
    Stop,
    Submit,
    Unload,
)
from serving.engine.pace import Pace
from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Sequence, Stage
from serving.engine.statistics import Counted, snapshot
from serving.errors import DeadlinePassed, NotReady, ServingError
from serving.sampling.draw import Draw
from serving.sampling.logprobs import logprobs_of
from serving.sampling.sampling import sample
from serving.types import AdapterDigest, End, Outcome, SamplingParams, TokenEvent, TokenLogprobs

log = logging.getLogger("serving.engine")


class Forward(Protocol):
    """What the engine needs of a model."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 for the rows that sample, in row order: [sampling rows, vocab]."""


class Engine:
    """Runs steps while there is something to run, and commands between steps.

    deliver: gets each step's events, on the engine thread.   load: starts loading an adapter elsewhere; the end of the
    load comes back as a command.   stopped: told once, when no event will follow. Until then every submitted sequence
    gets exactly one event with an End; one that ended in the very step that crashed may get none.
    """

    def __init__(
        self,
        backbone: Forward,
        scheduler: Scheduler,
        *,
        eos_ids: frozenset[int],
        page_bytes: int,
        deliver: Callable[[list[TokenEvent]], None],
        load: Callable[[AdapterDigest], None],
        stopped: Callable[[], None],
    ) -> None:
        self.mailbox = Mailbox()
        self.scheduler = scheduler
        self._backbone = backbone
        self._eos_ids = eos_ids
        self._page_bytes = page_bytes
        self._deliver = deliver
        self._load = load
        self._stopped = stopped
        self._unloading: list[Unload] = []
        self._answers: list[tuple[Future[None], ServingError | None]] = []
        self._pace = Pace()
        self._counted = Counted()
        self.stats = snapshot(scheduler, self._counted, page_bytes)
        self.resident: frozenset[AdapterDigest] = frozenset()
        self.pinned: frozenset[AdapterDigest] = frozenset()
        self._thread = threading.Thread(target=self._run, name="openlora-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def step(self) -> list[TokenEvent]:
        """One token for every sequence that can run: schedule, forward, sample, advance."""
        started = time.monotonic()
        budget = self._pace.prefill_tokens(anybody_decodes=self.scheduler.is_decoding)
        batch = self.scheduler.next_batch(started, budget)
        if batch is None:
            return []
        for row in batch.rows:
            row.sequence.began_at = row.sequence.began_at or started
        logits = self._backbone.forward(batch)
        sampling = [row.sequence for row in batch.rows if row.samples]
        draws = [self._draw(sequence) for sequence in sampling]
        tokens = sample(logits, draws)
        logprobs = {sampling[row]: told for row, told in logprobs_of(logits, draws, tokens).items()}
        self._pace.took(batch.decode_rows, batch.prefill_tokens, time.monotonic() - started)
        return self._advance(batch, dict(zip(sampling, tokens, strict=True)), logprobs)

    def _draw(self, sequence: Sequence) -> Draw:
        params = sequence.request.sampling
        withheld = self._stop_ids(params) if sequence.output_len < params.min_tokens else frozenset[int]()
        allowed = None if sequence.matcher is None else sequence.matcher.allowed()
        return Draw(
            params, sequence.seed, sequence.output_len, sequence.token_ids, sequence.prompt_len, withheld, allowed
        )

    def _stop_ids(self, params: SamplingParams) -> frozenset[int]:
        """The tokens that end an output. They are counted, and their text is not part of it."""
        own = frozenset(params.stop_token_ids)
        return own if params.ignore_eos else own | self._eos_ids

    def _advance(
        self, batch: Batch, tokens: dict[Sequence, int | None], logprobs: dict[Sequence, TokenLogprobs]
    ) -> list[TokenEvent]:
        self._counted.steps += 1
        events = []
        for row in batch.rows:
            sequence = row.sequence
            first, again = sequence.advance(row.end)
            self._counted.prompt_tokens += first
            self._counted.recomputed_tokens += again
            if sequence in tokens:
                event = self._append(sequence, tokens[sequence])
                told = logprobs.get(sequence)
                events.append(event if told is None else replace(event, logprobs=(told,)))
        return events

    def _append(self, sequence: Sequence, token: int | None) -> TokenEvent:
        """Adds a drawn token; ends or parks the sequence if this was its last one for now."""
        if token is None:
            self.scheduler.fail(sequence)
            return self._end(sequence, Outcome.FAILED, error=sequence.why_no_token)
        sequence.append(token)
        self._counted.output_tokens += 1
        if sequence.output_len == 1:
            self.scheduler.publish(sequence)
        at_stop = token in self._stop_ids(sequence.request.sampling)
        text, stopped = ("", False) if at_stop else sequence.text.push(token)
        complete = at_stop or (sequence.matcher is not None and sequence.matcher.advance(token))
        if stopped or complete or sequence.output_len == sequence.max_new_tokens:
            return self._finish(sequence, token, text, stopped=stopped, complete=complete)
        parked = sequence.output_len == sequence.granted_tokens
        if parked:
            self.scheduler.park(sequence)
        return TokenEvent(sequence.request_id, (token,), text, parked=parked, choice=sequence.choice)

    def _finish(self, sequence: Sequence, token: int, text: str, *, stopped: bool, complete: bool) -> TokenEvent:
        if not stopped:
            rest, stopped = sequence.text.flush()
            text += rest
        self.scheduler.end(sequence)
        reason: Literal["stop", "length"] = "stop" if stopped or complete else "length"
        end = End(Outcome.FINISHED, reason, sequence.usage, queued_s=sequence.queued_s)
        return TokenEvent(sequence.request_id, (token,), text, end=end, choice=sequence.choice)

    def _end(
        self, sequence: Sequence, outcome: Outcome, error: str | None = None, cause: ServingError | None = None
    ) -> TokenEvent:
        """Ends a sequence that did not finish. Text that was held back is dropped: it may begin a stop string."""
        if sequence.stage is not Stage.ENDED:
            self.scheduler.end(sequence)
        reason: Literal["abort", "error"] = "abort" if error is None else "error"
        end = End(outcome, reason, sequence.usage, error, cause, queued_s=sequence.queued_s)
        return TokenEvent(sequence.request_id, (), "", end=end, choice=sequence.choice)

    def _run(self) -> None:
        try:
            while True:
                commands = self.mailbox.take(self._idle_s())
                if any(isinstance(command, Stop) for command in commands):
                    self._close(commands, "The node is stopping.", outcome=Outcome.ABORTED)
                    return
                events = [event for command in commands for event in self._apply(command)]
                events += self._end_late(time.monotonic())
                self._start_loads()
                events += self.step()
                self._free_unloaded()
                self._start_loads()  # again: what has just ended may have been what a load waited for
                self._publish(events)
        except BaseException:
            log.exception("engine_crashed in_flight=%d", len(self.scheduler.sequences))
            self._close([], "The engine stopped because of an internal error.", outcome=Outcome.FAILED)

    def _idle_s(self) -> float:
        """How long the engine may sleep if no command comes."""
        return 0.0 if self.scheduler.can_run else max(0.0, self.scheduler.deadlines.next - time.monotonic())

    def _end_late(self, now: float) -> list[TokenEvent]:
        """Ends what has waited or run too long: as failed if it has never run, else as aborted."""
        events = []
        for sequence in self.scheduler.deadlines.passed(now):
            # only the first choice can be late to begin: the others wait until it has drawn a token
            cause = (
                DeadlinePassed(now - sequence.arrived_at) if sequence.choice == 0 and not sequence.has_begun else None
            )
            outcome = Outcome.ABORTED if cause is None else Outcome.FAILED
            events.append(self._end(sequence, outcome, None if cause is None else str(cause), cause))
        return events

    def _apply(self, command: Command) -> list[TokenEvent]:
        """The events that a command causes at once."""
        match command:
            case Submit(sequence):
                try:
                    self.scheduler.submit(sequence)
                except ServingError as refusal:
                    sequence.stage = Stage.ENDED
                    return [self._end(sequence, Outcome.FAILED, str(refusal))]
            case Extend(request_id, choice, granted_tokens):
                self.scheduler.extend(request_id, granted_tokens, choice)
            case Abort(request_id, choice):
                sequence_or_none = self.scheduler.find(request_id, choice)
                return [self._end(sequence_or_none, Outcome.ABORTED)] if sequence_or_none else []
            case Expect(adapter, nbytes):
                self.scheduler.loading.expect(adapter, nbytes)
            case AdapterLoaded(slot, stages):
                self._counted.loaded(stages)
                self.scheduler.adapter_ready(slot, command.took_s)
            case AdapterFailed(adapter, error):
                return [self._end(each, Outcome.FAILED, error) for each in self.scheduler.adapter_failed(adapter)]
            case Call(action, done):
                self._run_call(action, done)
            case Unload():
                self._unloading.append(command)
        return []

    def _start_loads(self) -> None:
        for adapter in self.scheduler.loads_to_start(time.monotonic()):
            self._load(adapter)

    def _free_unloaded(self) -> None:
        """Frees adapters that were to leave as soon as nothing used them."""
        for unload in list(self._unloading):
            slots = self.scheduler.slots
            if slots.is_loading(unload.adapter) or self.scheduler.in_flight(unload.adapter):
                continue
            slots.unpin(unload.adapter)
            self._unloading.remove(unload)
            self._run_call(partial(self.evict, unload.adapter), unload.done)

    def evict(self, adapter: AdapterDigest) -> None:
        """Frees an idle adapter. On the engine thread. Raises AdapterBusy."""
        self.scheduler.slots.evict(adapter)
        self.scheduler.loading.forget(adapter)

    def _publish(self, events: list[TokenEvent]) -> None:
        self.stats = snapshot(self.scheduler, self._counted, self._page_bytes)
        if self.scheduler.slots.changed:
            self.scheduler.slots.changed = False
            self.resident, self.pinned = self.scheduler.slots.resident, self.scheduler.slots.pinned
        if events:
            self._deliver(events)
        for done, refusal in self._answers:
            done.set_result(None) if refusal is None else done.set_exception(refusal)
        self._answers.clear()

    def _run_call(self, action: Callable[[], None], done: "Future[None]") -> None:
        """Runs `action`; `done` gets its end once the statistics show it."""
        if not done.set_running_or_notify_cancel():
            return
        refusal = None
        try:
            action()
        except ServingError as error:
            refusal = error
        self._answers.append((done, refusal))

    def _close(self, taken: list[Command], error: str, *, outcome: Outcome) -> None:
        """Ends everything in flight, also what is still in the mailbox, and takes nothing more."""
        told = error if outcome is Outcome.FAILED else None
        events = []
        for command in taken + self.mailbox.close():
            match command:
                case Submit(sequence):
                    sequence.stage = Stage.ENDED
                    events.append(self._end(sequence, outcome, told))
                case Call(_, done) | Unload(_, done):
                    self._refuse(done, error)
        for unload in self._unloading:
            self._refuse(unload.done, error)
        for done, _ in self._answers:
            done.set_exception(NotReady(error))
        for sequence in self.scheduler.sequences:
            sequence.stage = Stage.ENDED  # its pages and slot are not given back: this engine is never used again
            events.append(self._end(sequence, outcome, told))
        self._deliver(events)
        self._stopped()

    @staticmethod
    def _refuse(done: "Future[None]", error: str) -> None:
        if done.set_running_or_notify_cancel():  # else its caller has stopped waiting
            done.set_exception(NotReady(error))
