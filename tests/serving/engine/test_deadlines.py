"""Requests whose time is over: billed nothing if they only waited, else what they have."""

import threading
from math import inf

import pytest

from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.load_stages import LoadStages
from serving.adapters.store import AdapterStore
from serving.engine.deadlines import Deadlines
from serving.engine.sequence import Sequence, Stage
from serving.errors import DeadlinePassed, InvalidRequest
from serving.service import Service
from serving.types import AdapterDigest, Outcome, Residency, Usage
from tests.serving.asking import ask, collect, start
from tests.serving.conftest import Folders, StartService
from tests.serving.engine.test_scheduler import World
from tests.serving.test_service import idle, until


def sequence(start_by: float = inf, end_by: float = inf) -> Sequence:
    made = World().submit()
    made.start_by, made.end_by = start_by, end_by
    return made


def test_each_is_told_once_when_its_time_is_over_and_not_before() -> None:
    deadlines = Deadlines()
    first, second = sequence(start_by=2, end_by=3), sequence(end_by=5)
    for each in (first, second, sequence()):
        deadlines.add(each)

    assert (deadlines.next, deadlines.passed(1)) == (2, [])
    assert deadlines.passed(4) == [first]
    assert (deadlines.next, deadlines.passed(6)) == (5, [second])
    assert (deadlines.next, deadlines.passed(99)) == (inf, [])


def test_who_has_begun_in_time_or_has_ended_is_not_late() -> None:
    deadlines = Deadlines()
    begun, ended = sequence(start_by=2), sequence(end_by=2)
    begun.seniority, ended.stage = 0, Stage.ENDED
    for each in (begun, ended):
        deadlines.add(each)

    assert deadlines.passed(3) == []


@pytest.mark.parametrize("limit", ["the request's", "the operator's"])
async def test_a_request_that_only_waited_fails_and_costs_nothing(
    start_service: StartService, folders: Folders, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    service = await start_service(request_timeout_s=0.1 if limit == "the operator's" else None)
    await service.add_adapter("a0", f"file:{folders.adapters['a0']}")
    released = hold_loads(monkeypatch)

    answer = await collect(await start(service, "a0", deadline_s=0.1 if limit == "the request's" else None))

    assert (answer.end.outcome, answer.end.usage) == (Outcome.FAILED, Usage(0, 0, 0))
    assert isinstance(answer.end.cause, DeadlinePassed)
    assert answer.end.error == str(answer.end.cause)
    released.set()
    await idle(service)
    await service.check_integrity()


async def test_a_request_that_ran_ends_as_aborted_with_what_it_has(service: Service) -> None:
    answer = await collect(await start(service, "a0", [7] * 9, 16, granted=3, deadline_s=0.5))

    assert (answer.end.outcome, answer.end.finish_reason, answer.end.error) == (Outcome.ABORTED, "abort", None)
    assert answer.end.usage == Usage(9, 0, 3)
    assert len(answer.tokens) == 3


async def test_a_request_that_is_quick_enough_notices_nothing(start_service: StartService) -> None:
    service = await start_service(request_timeout_s=60.0)

    answer = await ask(service, service.base_name, deadline_s=60.0)

    assert answer.end.outcome is Outcome.FINISHED


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("nan")])
async def test_a_deadline_that_is_no_time_is_refused(service: Service, deadline_s: float) -> None:
    with pytest.raises(InvalidRequest, match="deadline_s"):
        await start(service, service.base_name, deadline_s=deadline_s)


async def test_an_adapter_is_loaded_while_its_first_prompt_is_prepared(service: Service) -> None:
    await service.prepare("a1", prompt=_chat(), max_new_tokens=4)

    await until(lambda: service.stats().adapters_resident == 1)
    assert service.model("a1").residency is Residency.DEVICE


def _chat():  # type: ignore[no-untyped-def]
    from serving.types import ChatMessage, ChatPrompt

    return ChatPrompt((ChatMessage("user", "hello"),))


def hold_loads(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No adapter is loaded until the event is set."""
    released, open_blob = threading.Event(), AdapterStore.open_blob

    def held(store: AdapterStore, digest: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        assert released.wait(60)
        return open_blob(store, digest, allocate, stages)

    monkeypatch.setattr(AdapterStore, "open_blob", held)
    return released
