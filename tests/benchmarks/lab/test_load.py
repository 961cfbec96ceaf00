"""What is counted of the traffic."""

import asyncio

import pytest

from benchmarks.lab.load import Answer, Load, besides
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.scenarios.decode import Spread, bounds, steady_tokens_per_s
from benchmarks.lab.traffic import Ask
from serving.types import End, Outcome, Usage


def answer(tokens: int, *, outcome: Outcome = Outcome.FINISHED, tenant: str = "t", first_s: float = 1.5) -> Answer:
    times = tuple(first_s + 0.1 * number for number in range(tokens))
    end = End(outcome, "length", Usage(1, 0, tokens))
    return Answer(Ask("a0", (9,), 4, tenant), 1.0, tuple(range(tokens)), times, end)


REFUSED = Answer(Ask("a0", (9,), 4), 1.0, (), (), None)


def test_an_answer_is_lost_if_it_failed_or_is_short_but_not_if_it_was_refused() -> None:
    assert not answer(4).is_lost
    assert answer(3).is_lost
    assert answer(4, outcome=Outcome.FAILED).is_lost
    assert not REFUSED.is_lost


def test_the_first_token_counts_from_when_the_request_was_due() -> None:
    figures = Load((answer(4), REFUSED), wall_s=2.0, engine={"loads": 3}).figures()

    assert figures["ttft_p50_ms"] == pytest.approx(500)
    assert figures["itl_p99_ms"] == pytest.approx(100)
    assert (figures["tokens_per_s"], figures["requests_per_s"]) == (2.0, 0.5)
    assert (figures["requests"], figures["refused"], figures["lost"], figures["loads"]) == (2, 1, 0, 3)


def test_processor_time_is_told_per_step_where_there_were_steps() -> None:
    assert Load((answer(4),), 1.0, {"steps": 4}, cpu_s=0.2).figures()["cpu_ms_per_step"] == pytest.approx(50)
    assert "cpu_ms_per_step" not in Load((answer(4),), 1.0, cpu_s=0.2).figures()


def test_decoding_is_timed_while_all_decode() -> None:
    together = Load((answer(11, first_s=1.0), answer(11, first_s=1.5)), 3.0)
    one_after_the_other = Load((answer(3, first_s=1.0), answer(3, first_s=5.0)), 9.0)

    assert steady_tokens_per_s(together) == pytest.approx(20)
    assert steady_tokens_per_s(one_after_the_other) == 0


def test_more_distinct_adapters_lower_the_ceiling_and_larger_batches_raise_the_floor() -> None:
    few, many, large = Spread(32, 64, "zipf"), Spread(32, 64, "uniform"), Spread(128, 1, "uniform")

    found = bounds(PROFILES["gpu"], {few: 8, many: 32, large: 1})

    ceilings = [found[f"H200's ceiling of the ratio, {each.arm}"] for each in (few, many)]
    assert ceilings == pytest.approx([0.96, 0.86], abs=0.01)
    assert found["H200's most tokens/s, batch 32, no adapter"] == pytest.approx(8000, rel=0.02)
    assert found["H200's most tokens/s, batch 128, no adapter"] > 20_000


def test_part_of_the_traffic_can_be_looked_at() -> None:
    load = Load((answer(4, tenant="hot"), answer(4, tenant="cold")), wall_s=1.0)

    assert [each.ask.tenant for each in load.of(lambda ask: ask.tenant == "hot").answers] == ["hot"]


async def test_what_happens_besides_happens_at_least_once_and_to_its_end() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def traffic() -> Load:
        return Load((), 0.0)

    async def event() -> None:
        begun.append(1)
        await asyncio.sleep(0)
        ended.append(1)

    assert await besides(traffic(), event, pause_s=0.0) == Load((), 0.0)
    assert len(begun) == len(ended) >= 1


async def test_what_fails_besides_ends_the_traffic() -> None:
    never = asyncio.Event()
    stopped: list[bool] = []

    async def traffic() -> Load:
        try:
            await never.wait()
        finally:
            stopped.append(True)
        return Load((), 0.0)

    async def event() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await besides(traffic(), event, pause_s=0.0)
    await asyncio.sleep(0)
    assert stopped == [True]
