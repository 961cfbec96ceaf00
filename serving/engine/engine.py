"""The engine: one thread that owns the model, the adapters' slots and the pages. It does no file or network I/O."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Protocol

import torch

from serving.engine.batch import Batch
from serving.engine.mailbox import (
    Abort,
    AdapterFailed,
    AdapterLoaded,
    Command,
    Expect,
    Extend,
    Mailbox,
    Run,
    Stop,
    Submit,
    Unload,
)
from serving.engine.outputs import Outputs
from serving.engine.sampler import Sampler
from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Stage
from serving.engine.statistics import Counters, snapshot
from serving.errors import DeadlinePassed, NotReady, ServingError
from serving.types import AdapterDigest, Outcome, TokenEvent

log = logging.getLogger("serving.engine")


class Forward(Protocol):
    """What the engine needs of a model."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 for the rows that sample, in row order: [sampling rows, vocab]."""


class Engine:
    """Runs steps while there is something to run, and commands between steps.

    deliver: gets each step's events, on the engine thread. load: starts loading an adapter elsewhere; the end of the
    load arrives as a command. stopped: called once, when no event will follow. Until then every submitted sequence gets
    exactly one event with an End; a sequence that ended in the very step that crashed may get none.
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
        self.counters = Counters()
        self._backbone = backbone
        self._sampler = Sampler(eos_ids)
        self._outputs = Outputs(scheduler, self._sampler, self.counters)
        self._page_bytes = page_bytes
        self._deliver = deliver
        self._load = load
        self._stopped = stopped
        self._unloading: list[Unload] = []
        self._answers: list[tuple[Future[None], ServingError | None]] = []
        self.stats = snapshot(scheduler, self.counters, page_bytes)
        self.resident: frozenset[AdapterDigest] = frozenset()
        self.pinned: frozenset[AdapterDigest] = frozenset()
        self._thread = threading.Thread(target=self._run, name="openlora-engine", daemon=True)

    def start(self) -> None:
        """Starts the engine thread."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Waits for the engine thread to end."""
        self._thread.join(timeout_s)

    def step(self) -> list[TokenEvent]:
        """Computes one token for every sequence that can run: schedule, forward, sample, advance."""
        batch = self.scheduler.next_batch(time.monotonic())
        if batch is None:
            return []
        logits = self._backbone.forward(batch)
        sampled = self._sampler.sample(logits, batch.sampling)
        return self._outputs.advance(batch, sampled, time.monotonic())

    def evict(self, adapter: AdapterDigest) -> None:
        """Frees an idle adapter. Called on the engine thread. Raises AdapterBusy."""
        self.scheduler.slots.evict(adapter)
        self.scheduler.loading.forget(adapter)

    def _run(self) -> None:
        commands: list[Command] = []
        try:
            while True:
                commands = self.mailbox.take(self._idle_s())
                if any(isinstance(command, Stop) for command in commands):
                    self._close(commands, "The node is stopping.", outcome=Outcome.ABORTED)
                    return
                events = []
                while commands:
                    events += self._apply(commands.pop(0))
                events += self._end_late(time.monotonic())
                self._start_loads()
                events += self.step()
                self._free_unloaded()
                self._start_loads()  # again: a sequence that has just ended may have freed what a load waited for
                self._publish(events)
        except BaseException:
            log.exception("engine_crashed in_flight=%d", len(self.scheduler.sequences))
            self._close(commands, "The engine stopped because of an internal error.", outcome=Outcome.FAILED)

    def _idle_s(self) -> float:
        """How long the engine may sleep if no command comes."""
        return 0.0 if self.scheduler.can_run else max(0.0, self.scheduler.deadlines.next - time.monotonic())

    def _end_late(self, now: float) -> list[TokenEvent]:
        """Ends the sequences that have passed a deadline: as failed if they never ran, else as aborted."""
        events = []
        for sequence in self.scheduler.deadlines.passed(now):
            # only the first choice can be late to begin: the others wait until it has sampled a token
            cause = (
                DeadlinePassed(now - sequence.arrived_at) if sequence.choice == 0 and not sequence.has_begun else None
            )
            outcome = Outcome.ABORTED if cause is None else Outcome.FAILED
            events.append(self._outputs.end(sequence, outcome, None if cause is None else str(cause), cause))
        return events

    def _apply(self, command: Command) -> list[TokenEvent]:
        """Runs a command; returns the events that it causes at once."""
        match command:
            case Submit(sequence):
                try:
                    self.scheduler.submit(sequence)
                except ServingError as refusal:
                    sequence.stage = Stage.ENDED
                    return [self._outputs.end(sequence, Outcome.FAILED, str(refusal))]
            case Extend(request_id, choice, granted_tokens):
                self.scheduler.extend(request_id, granted_tokens, choice)
            case Abort(request_id, choice):
                running = self.scheduler.find(request_id, choice)
                return [self._outputs.end(running, Outcome.ABORTED)] if running else []
            case Expect(adapter, nbytes):
                self.scheduler.loading.expect(adapter, nbytes)
            case AdapterLoaded(slot, stages):
                self.counters.record_load(stages)
                self.scheduler.adapter_ready(slot, command.took_s)
            case AdapterFailed(adapter, error):
                failed = self.scheduler.adapter_failed(adapter)
                return [self._outputs.end(each, Outcome.FAILED, error) for each in failed]
            case Run(action, done):
                self._run_action(action, done)
            case Unload():
                self._unloading.append(command)
        return []

    def _start_loads(self) -> None:
        for adapter in self.scheduler.loads_to_start(time.monotonic()):
            self._load(adapter)

    def _free_unloaded(self) -> None:
        """Frees the adapters of `Unload` commands that nothing uses any more."""
        for unload in list(self._unloading):
            slots = self.scheduler.slots
            if slots.is_loading(unload.adapter) or self.scheduler.in_flight(unload.adapter):
                continue
            slots.unpin(unload.adapter)
            self._unloading.remove(unload)
            self._run_action(partial(self.evict, unload.adapter), unload.done)

    def _publish(self, events: list[TokenEvent]) -> None:
        self.stats = snapshot(self.scheduler, self.counters, self._page_bytes)
        if self.scheduler.slots.changed:
            self.scheduler.slots.changed = False
            self.resident, self.pinned = self.scheduler.slots.resident, self.scheduler.slots.pinned
        if events:
            self._deliver(events)
        for done, refusal in self._answers:
            done.set_result(None) if refusal is None else done.set_exception(refusal)
        self._answers.clear()

    def _run_action(self, action: Callable[[], None], done: "Future[None]") -> None:
        """Runs `action`; `done` is completed when the published statistics show the effect."""
        if not done.set_running_or_notify_cancel():
            return
        refusal: ServingError | None = None
        try:
            action()
        except ServingError as error:
            refusal = error
        finally:  # also if the action crashes the engine: then closing it answers
            self._answers.append((done, refusal))

    def _close(self, taken: list[Command], reason: str, *, outcome: Outcome) -> None:
        """Ends everything in flight, also what is still in the mailbox, and accepts nothing more."""
        error = reason if outcome is Outcome.FAILED else None
        events = []
        for command in taken + self.mailbox.close():
            match command:
                case Submit(sequence):
                    sequence.stage = Stage.ENDED
                    events.append(self._outputs.end(sequence, outcome, error))
                case Run(_, done) | Unload(_, done):
                    self._refuse(done, reason)
        for unload in self._unloading:
            self._refuse(unload.done, reason)
        for done, _ in self._answers:
            done.set_exception(NotReady(reason))
        for sequence in self.scheduler.sequences:
            sequence.stage = Stage.ENDED  # its pages and slot are not given back: this engine is never used again
            events.append(self._outputs.end(sequence, outcome, error))
        self._deliver(events)
        self._stopped()

    @staticmethod
    def _refuse(done: "Future[None]", reason: str) -> None:
        if done.set_running_or_notify_cancel():  # else its caller has stopped waiting
            done.set_exception(NotReady(reason))
