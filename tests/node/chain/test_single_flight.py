"""Runs never overlap, and every caller gets a run that began after it asked."""

import asyncio
import random

import pytest

from node.chain.single_flight import SingleFlight


async def test_runs_never_overlap_and_answers_are_never_older_than_the_question() -> None:
    draw = random.Random(3)
    began = 0
    inside = 0

    async def run() -> int:
        nonlocal began, inside
        began += 1
        mine = began
        inside += 1
        assert inside == 1
        await asyncio.sleep(draw.random() / 500)
        inside -= 1
        return mine

    flight = SingleFlight(run)

    async def ask() -> None:
        await asyncio.sleep(draw.random() / 20)
        seen = began
        assert await flight() > seen

    await asyncio.gather(*(ask() for _ in range(200)))

    assert began < 200


async def test_a_failed_run_fails_its_callers_only() -> None:
    outcomes = [ValueError("first"), None]

    async def run() -> None:
        await asyncio.sleep(0)
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    flight = SingleFlight(run)
    first, second = asyncio.ensure_future(flight()), asyncio.ensure_future(flight())

    with pytest.raises(ValueError, match="first"):
        await first
    await second


async def test_a_caller_that_is_cancelled_stops_no_run() -> None:
    finished = asyncio.Event()

    async def run() -> None:
        await asyncio.sleep(0.01)
        finished.set()

    flight = SingleFlight(run)
    impatient = asyncio.ensure_future(flight())
    await asyncio.sleep(0)
    impatient.cancel()

    await asyncio.wait_for(finished.wait(), 5)


async def test_closing_ends_what_runs_and_what_waits() -> None:
    started, flight = [], SingleFlight(lambda: forever(started))
    asked = [asyncio.ensure_future(flight()) for _ in range(3)]
    await asyncio.sleep(0)

    await flight.close()

    assert started == ["once"]
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*asked, return_exceptions=True))


async def forever(started: list[str]) -> None:
    started.append("once")
    await asyncio.Event().wait()
