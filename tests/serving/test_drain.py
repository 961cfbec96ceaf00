"""Draining a service: what was accepted before ends by itself, nothing new is accepted."""

import asyncio

import pytest

from serving.errors import NotReady
from serving.service import Service
from serving.types import GenerationRequest, Outcome
from tests.serving.asking import ask, collect, prepare, start


async def test_draining_finishes_what_runs_and_takes_nothing_new(service: Service) -> None:
    running = [await start(service, model, new_tokens=30) for model in ("a0", "a1")]
    draining = asyncio.create_task(service.drain(30))
    await asyncio.sleep(0)

    with pytest.raises(NotReady):
        await start(service, service.base_name)
    await draining

    assert [(await collect(stream)).end.outcome for stream in running] == [Outcome.FINISHED] * 2


async def test_draining_finishes_requests_that_are_still_being_prepared(service: Service) -> None:
    prompts = ["the cat sat on the mat " * 8 + str(number) for number in range(16)]
    asked = [asyncio.create_task(ask(service, "a0", prompt, 8)) for prompt in prompts]
    await asyncio.sleep(0)

    await service.drain(60)

    assert [answer.end.outcome for answer in await asyncio.gather(*asked)] == [Outcome.FINISHED] * 16
    with pytest.raises(NotReady):
        await start(service, "a0")


async def test_a_request_prepared_before_the_drain_may_start_while_it_lasts(service: Service) -> None:
    running = await start(service, "a0", granted=1)
    prepared = await prepare(service, "a0", "hello", 4)
    draining = asyncio.create_task(service.drain(60))
    await asyncio.sleep(0)

    late = service.generate(GenerationRequest("late", prepared, "somebody", 4))
    service.extend(running.request_id, 16)
    await draining

    assert (await collect(late)).end.outcome is Outcome.FINISHED
    with pytest.raises(NotReady):
        service.generate(GenerationRequest("later", prepared, "somebody", 4))


async def test_draining_aborts_what_is_left_when_time_is_up(service: Service) -> None:
    parked = await start(service, "a0", granted=1)

    await service.drain(0.05)

    assert (await collect(parked)).end.outcome is Outcome.ABORTED
