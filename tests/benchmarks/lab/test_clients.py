"""Clients and what is measured of their requests."""

import asyncio

import pytest

from benchmarks.lab.clients import Answer, Measurement, while_repeating
from benchmarks.lab.traffic import Request
from serving.types import End, Outcome, Usage


def answer(tokens: int, *, outcome: Outcome = Outcome.FINISHED, tenant: str = "t", first_s: float = 1.5) -> Answer:
    times = tuple(first_s + 0.1 * number for number in range(tokens))
    end = End(outcome, "length", Usage(1, 0, tokens))
    return Answer(Request("a0", (9,), 4, tenant), 1.0, tuple(range(tokens)), times, end)


REFUSED = Answer(Request("a0", (9,), 4), 1.0, (), (), None)


def test_an_answer_is_lost_if_it_failed_or_is_short_but_not_if_it_was_refused() -> None:
    assert not answer(4).is_lost
    assert answer(3).is_lost
    assert answer(4, outcome=Outcome.FAILED).is_lost
    assert not REFUSED.is_lost


def test_the_first_token_counts_from_when_the_request_was_due() -> None:
    figures = Measurement((answer(4), REFUSED), wall_s=2.0, engine={"loads": 3}).figures()

    assert figures["ttft_p50_ms"] == pytest.approx(500)
    assert figures["itl_p99_ms"] == pytest.approx(100)
    assert (figures["tokens_per_s"], figures["requests_per_s"]) == (2.0, 0.5)
    assert (figures["requests"], figures["refused"], figures["lost"], figures["loads"]) == (2, 1, 0, 3)


def test_processor_time_per_step_is_reported_if_there_were_steps() -> None:
    assert Measurement((answer(4),), 1.0, {"steps": 4}, cpu_s=0.2).figures()["cpu_ms_per_step"] == pytest.approx(50)
    assert "cpu_ms_per_step" not in Measurement((answer(4),), 1.0, cpu_s=0.2).figures()


def test_a_measurement_can_be_restricted_to_part_of_the_traffic() -> None:
    measurement = Measurement((answer(4, tenant="hot"), answer(4, tenant="cold")), wall_s=1.0)

    assert [each.request.tenant for each in measurement.only(lambda request: request.tenant == "hot").answers] == [
        "hot"
    ]


async def test_a_repeated_event_happens_at_least_once_and_is_never_cut_short() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def traffic() -> Measurement:
        return Measurement((), 0.0)

    async def event() -> None:
        begun.append(1)
        await asyncio.sleep(0)
        ended.append(1)

    assert await while_repeating(traffic(), event, pause_s=0.0) == Measurement((), 0.0)
    assert len(begun) == len(ended) >= 1


async def test_a_repeated_event_that_fails_ends_the_traffic() -> None:
    never = asyncio.Event()
    stopped: list[bool] = []

    async def traffic() -> Measurement:
        try:
            await never.wait()
        finally:
            stopped.append(True)
        return Measurement((), 0.0)

    async def event() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await while_repeating(traffic(), event, pause_s=0.0)
    await asyncio.sleep(0)
    assert stopped == [True]
