"""The engine thread: every submitted sequence gets exactly one End, whatever ends the engine."""

import threading
from collections import defaultdict
from concurrent.futures import Future

import pytest
import torch

from serving.engine.batch import Batch
from serving.engine.engine import Engine
from serving.engine.mailbox import Abort, AdapterFailed, AdapterLoaded, Extend, Run, Stop, Submit, Unload
from serving.errors import AdapterBusy, NotReady
from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest, Outcome, TokenEvent
from tests.serving.engine.test_scheduler import ADAPTER_BYTES, World

WAIT_S = 60


class Constant:
    """A model that always prefers token 5. It waits before a step while the test holds it, and crashes if told to."""

    def __init__(self) -> None:
        self.go, self.entered, self.broken = threading.Event(), threading.Event(), False
        self.go.set()

    def forward(self, batch: Batch) -> torch.Tensor:
        self.entered.set()
        assert self.go.wait(WAIT_S)
        if self.broken:
            raise RuntimeError("out of memory")
        logits = torch.zeros(len(batch.sampling), 384)
        logits[:, 5] = 9.0
        return logits


class Running:
    """An engine on its thread, and the events that it has delivered."""

    def __init__(self) -> None:
        self.model, self.world = Constant(), World()
        self.events: dict[str, list[TokenEvent]] = defaultdict(list)
        self.ended, self.stopped = threading.Condition(), threading.Event()
        self.loads: list[AdapterDigest] = []
        self.engine = Engine(
            self.model,
            self.world.scheduler,
            eos_ids=frozenset({1}),
            page_bytes=1,
            deliver=self._deliver,
            load=self.loads.append,
            stopped=self.stopped.set,
        )
        self.engine.start()

    def _deliver(self, events: list[TokenEvent]) -> None:
        with self.ended:
            for event in events:
                self.events[event.request_id].append(event)
            self.ended.notify_all()

    def submit(self, output: int = 4, adapter: str | None = None) -> str:
        sequence = self.world.sequence(adapter, output=output)
        self.engine.mailbox.put(Submit(sequence))
        return sequence.request_id

    def end_of(self, request_id: str) -> TokenEvent:
        with self.ended:
            assert self.ended.wait_for(lambda: any(event.end for event in self.events[request_id]), WAIT_S), (
                "the request did not end"
            )
        events = self.events[request_id]
        assert [event.end is not None for event in events] == [False] * (len(events) - 1) + [True]
        return events[-1]

    def run(self, action: object) -> "Future[None]":
        done: Future[None] = Future()
        self.engine.mailbox.put(Run(action, done))  # type: ignore[arg-type]
        return done

    def stop(self) -> None:
        if not self.engine.mailbox.is_closed:
            self.engine.mailbox.put(Stop())
        assert self.stopped.wait(WAIT_S)
        self.engine.join(WAIT_S)


@pytest.fixture
def running():  # type: ignore[no-untyped-def]
    made = Running()
    yield made
    made.model.go.set()
    made.stop()


def test_a_request_runs_to_its_end_and_the_statistics_show_it(running: Running) -> None:
    end = running.end_of(running.submit(output=3)).end

    assert end is not None
    assert (end.outcome, end.usage.output_tokens) == (Outcome.FINISHED, 3)
    running.run(lambda: None).result(WAIT_S)
    assert (running.engine.stats.output_tokens, running.engine.stats.running) == (3, 0)


def test_stopping_aborts_what_is_in_flight_and_what_was_just_submitted(running: Running) -> None:
    running.model.go.clear()
    ids = [running.submit(output=200) for _ in range(3)]
    running.engine.mailbox.put(Stop())
    running.model.go.set()

    ends = [running.end_of(each).end for each in ids]

    assert {end.outcome for end in ends if end} == {Outcome.ABORTED}
    with pytest.raises(NotReady):
        running.submit()


def test_a_crash_fails_what_is_in_flight_without_its_reason(running: Running) -> None:
    running.model.broken = True

    end = running.end_of(running.submit()).end

    assert end is not None
    assert (end.outcome, end.finish_reason) == (Outcome.FAILED, "error")
    assert "memory" not in (end.error or "")
    assert running.stopped.wait(WAIT_S)


def test_a_crash_answers_every_caller_that_waits(running: Running) -> None:
    def crash() -> None:
        raise RuntimeError("out of memory")

    running.model.go.clear()
    running.submit()
    assert running.model.entered.wait(WAIT_S)
    waiting = [running.run(crash), running.run(lambda: None)]
    unloaded: Future[None] = Future()
    running.engine.mailbox.put(Unload(AdapterDigest("a"), unloaded))
    running.model.go.set()

    for done in (*waiting, unloaded):
        with pytest.raises(NotReady):
            done.result(WAIT_S)


def test_an_abort_ends_the_request_it_names_and_no_other(running: Running) -> None:
    aborted, other = running.submit(output=200), running.submit(output=3)

    running.engine.mailbox.put(Abort(aborted, 0))
    running.engine.mailbox.put(Abort(other, 7))
    running.engine.mailbox.put(Extend("nobody", 0, 9))

    ends = [running.end_of(each).end for each in (aborted, other)]
    assert [end.outcome for end in ends if end] == [Outcome.ABORTED, Outcome.FINISHED]


def test_an_action_s_refusal_reaches_its_caller_and_the_engine_goes_on(running: Running) -> None:
    def refuse() -> None:
        raise AdapterBusy("a", "is pinned.")

    with pytest.raises(AdapterBusy):
        running.run(refuse).result(WAIT_S)
    assert running.end_of(running.submit()).end is not None


def test_a_request_waits_for_its_adapter_and_fails_with_the_load(running: Running) -> None:
    loaded, failed = running.submit(adapter="a"), running.submit(adapter="b")
    pair = LoraModule(torch.zeros(4, 4), torch.zeros(4, 4))

    running.run(lambda: None).result(WAIT_S)
    assert sorted(running.loads) == ["a", "b"]
    running.engine.mailbox.put(AdapterLoaded(Slot(AdapterDigest("a"), {"m": pair}, ADAPTER_BYTES), {"read": 0.1}))
    running.engine.mailbox.put(AdapterFailed(AdapterDigest("b"), "damaged"))

    ends = [running.end_of(each).end for each in (loaded, failed)]
    assert [end.outcome for end in ends if end] == [Outcome.FINISHED, Outcome.FAILED]
    assert ends[1] is not None
    assert ends[1].error == "damaged"


def test_unloading_waits_until_nothing_uses_the_adapter(running: Running) -> None:
    running.model.go.clear()
    using = running.submit(output=20, adapter="a")
    running.run(lambda: None).result(WAIT_S)
    pair = LoraModule(torch.zeros(4, 4), torch.zeros(4, 4))
    running.engine.mailbox.put(AdapterLoaded(Slot(AdapterDigest("a"), {"m": pair}, ADAPTER_BYTES), {}))
    unloaded: Future[None] = Future()
    running.engine.mailbox.put(Unload(AdapterDigest("a"), unloaded))
    assert not unloaded.done()

    running.model.go.set()
    end = running.end_of(using).end
    unloaded.result(WAIT_S)

    assert end is not None
    assert end.outcome is Outcome.FINISHED
    assert running.engine.resident == frozenset()
