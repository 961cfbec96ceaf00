"""Draining: what was accepted before is finished within the bound, what comes later is refused."""

import asyncio

import pytest

from node.runs import Runs
from serving.errors import NotReady


class Work:
    """Requests that run until they are finished or aborted."""

    def __init__(self) -> None:
        self.runs = Runs()
        self.aborted: list[str] = []
        self.recorded: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, request_id: str) -> None:
        self._ends[request_id] = asyncio.Event()
        self.runs.start(request_id, self._run(request_id))

    async def _run(self, request_id: str) -> None:
        await self._ends[request_id].wait()
        await asyncio.sleep(0)
        self.recorded.append(request_id)

    def finish(self, request_id: str) -> None:
        self._ends[request_id].set()

    def abort(self, request_id: str) -> None:
        self.aborted.append(request_id)
        self.finish(request_id)

    def drain(self, timeout_s: float = 60) -> "asyncio.Task[int]":
        return asyncio.create_task(self.runs.drain(timeout_s, self.abort))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_drain_waits_for_what_runs_and_refuses_what_comes() -> None:
    work = Work()
    with work.runs.admitting():
        work.start("a")
    draining = work.drain()
    await settle()

    assert work.runs.draining
    with pytest.raises(NotReady), work.runs.admitting():
        pass
    assert not draining.done()
    work.finish("a")

    assert await draining == 0
    assert (work.recorded, work.aborted, len(work.runs)) == (["a"], [], 0)


async def test_a_drain_waits_for_requests_that_are_still_being_admitted() -> None:
    work = Work()
    with work.runs.admitting():
        draining = work.drain()
        await settle()
        assert not draining.done()
        work.start("admitted late")
    await settle()
    assert not draining.done()

    work.finish("admitted late")

    assert await draining == 0
    assert (work.recorded, work.aborted) == (["admitted late"], [])


async def test_a_request_that_is_refused_while_it_is_admitted_holds_up_no_drain() -> None:
    work = Work()
    refuse = asyncio.Event()

    async def refused() -> None:
        with work.runs.admitting():
            await refuse.wait()
            raise ZeroDivisionError

    request = asyncio.create_task(refused())
    await settle()
    draining = work.drain()
    await settle()
    assert not draining.done()

    refuse.set()

    assert await draining == 0
    assert isinstance((await asyncio.gather(request, return_exceptions=True))[0], ZeroDivisionError)


async def test_what_outlasts_the_bound_is_aborted_and_still_recorded() -> None:
    work = Work()
    with work.runs.admitting():
        work.start("slow")

    assert await work.drain(0.01) == 1
    assert (work.aborted, work.recorded) == (["slow"], ["slow"])


async def test_what_is_started_after_the_bound_is_aborted_at_once_and_still_recorded() -> None:
    work = Work()
    with work.runs.admitting():
        draining = work.drain(0.01)
        await asyncio.sleep(0.1)
        assert not draining.done()
        work.start("late")

    assert await draining == 1
    assert (work.aborted, work.recorded) == (["late"], ["late"])


async def test_requests_count_from_their_acceptance_to_their_end() -> None:
    work = Work()
    with work.runs.admitting():
        assert len(work.runs) == 1
        work.start("a")
    assert len(work.runs) == 1

    work.finish("a")
    await settle()

    assert len(work.runs) == 0
