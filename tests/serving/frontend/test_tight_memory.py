"""The verbs where device memory holds one adapter only: what waits for memory is neither lost nor loaded in vain."""

import asyncio
from pathlib import Path

import pytest

from serving.service import Service
from serving.types import Outcome
from tests.serving.asking import ask, collect, start
from tests.serving.conftest import StartService

PROMPT = [7, 8, 9]


@pytest.fixture
async def tight(start_service: StartService, versions: list[Path]) -> Service:
    """A service with x and y, of which one fits."""
    sized = await start_service()
    nbytes = (await sized.add_adapter("x", f"file:{versions[0]}")).adapter_bytes
    await sized.close()
    service = await start_service(adapter_device_bytes=nbytes)
    for name, version in zip("xy", versions, strict=False):
        await service.add_adapter(name, f"file:{version}")
    return service


async def test_an_accepted_request_that_waits_for_memory_ends_before_its_adapter_goes(tight: Service) -> None:
    running = await start(tight, "y", PROMPT, 200)
    await anext(running)
    waiting = await start(tight, "x", PROMPT, 8)

    unloading = asyncio.create_task(tight.remove_adapter("x"))
    await asyncio.sleep(0.05)
    tight.abort(running.request_id)

    assert (await collect(waiting)).end.outcome is Outcome.FINISHED
    await unloading


async def test_an_adapter_that_is_unpinned_before_there_was_room_for_it_is_not_loaded(tight: Service) -> None:
    running = await start(tight, "y", PROMPT, 200)
    await anext(running)
    pinned = await tight.pin("x")
    unpinned = await tight.unpin("x")

    await running.aclose()
    await ask(tight, tight.base_name, PROMPT, 32)

    assert (pinned.pinned, unpinned.pinned) == (True, False)
    assert (tight.stats().loads, tight.stats().adapters_resident) == (1, 1)
