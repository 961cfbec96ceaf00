"""Fetches of one source: shared by callers that asked before the read, repeated for those that asked during it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.adapters.arrivals import Arrivals
from serving.adapters.index import Index
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from serving.adapters.versions import VersionFiles
from serving.errors import AdapterCorrupt, NotReady
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore, adapter_files
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, write_adapter
from tests.serving.hub_server import Hub


class Gate:
    """Holds the first fetch after its last chunk, until `open`."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def progress(self, name: str, fraction: float) -> None:
        if fraction == 1.0:
            self.reached.set()
            assert self.opened.wait(20)


async def reached(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 20)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def store(open_store: OpenStore, hub: Hub, gate: Gate) -> AdapterStore:
    settings = SourceSettings(hub_endpoint=hub.endpoint, pause_s=0.01)
    return open_store(settings=settings, on_progress=gate.progress)


async def test_a_load_that_begins_during_another_of_its_source_gets_later_bytes(
    store: AdapterStore, hub: Hub, gate: Gate, tmp_path: Path
) -> None:
    hub.commit("acme/x", adapter_files(tmp_path / "1", r=2))
    first = asyncio.create_task(store.add("x", "hf:acme/x@main"))
    await reached(gate)
    later_commit = hub.commit("acme/x", adapter_files(tmp_path / "2", lora_alpha=8))

    second = asyncio.create_task(store.add("x", "hf:acme/x@main"))
    await asyncio.sleep(0.05)
    gate.opened.set()

    assert (await second).pinned_source == f"hf:acme/x@{later_commit}"
    assert (await first).digest != (await second).digest


async def test_a_version_that_cannot_have_changed_is_not_fetched_again(
    store: AdapterStore, hub: Hub, gate: Gate, tmp_path: Path
) -> None:
    hub.commit("acme/x", adapter_files(tmp_path / "1"))
    first = asyncio.create_task(store.add("x", "hf:acme/x@main"))
    await reached(gate)
    others = [asyncio.create_task(store.add(f"y{i}", "hf:acme/x@main")) for i in range(3)]
    await asyncio.sleep(0.05)
    gate.opened.set()

    assert {(await each).digest for each in others} == {(await first).digest}
    assert hub.downloads() == 2  # the config and the weights, once


async def test_a_version_that_nobody_waits_for_any_more_leaves_no_bytes(
    store: AdapterStore, gate: Gate, srv: Path
) -> None:
    adding = asyncio.create_task(store.add("x", f"file:{write_adapter(srv / 'x')}"))
    await reached(gate)

    adding.cancel()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await adding
    other = await store.add("y", f"file:{write_adapter(srv / 'y', seed=5)}")
    store.remove("y")

    assert other.digest
    for _ in range(500):
        if store.disk_bytes() == 0:
            break
        await asyncio.sleep(0.01)
    assert store.disk_bytes() == 0


async def test_a_version_is_kept_for_a_caller_although_its_last_name_goes(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    source = f"file:{write_adapter(srv / 'x')}"
    await store.add("x", source)

    async with store.arriving("y", source, None) as arrival:
        store.remove("x")
        added = store.register("y", source, arrival)

    assert store.lookup("y") == added
    assert store.open_blob(added.digest).nbytes == added.nbytes


async def test_what_no_name_took_is_deleted(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    source = f"file:{write_adapter(srv / 'x')}"
    await store.add("x", source)

    async with store.arriving("y", source, None):
        store.remove("x")
        assert store.disk_bytes() > 0

    for _ in range(500):
        if store.disk_bytes() == 0:
            break
        await asyncio.sleep(0.01)
    assert store.disk_bytes() == 0


async def test_a_refused_version_of_a_stored_one_does_not_keep_it(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    source = f"file:{write_adapter(srv / 'x')}"
    await store.add("x", source)
    with pytest.raises(AdapterCorrupt, match="another version"):
        await store.add("y", source, AdapterDigest("0" * 64))

    store.remove("x")

    assert store.disk_bytes() == 0


async def test_closing_refuses_callers_whose_fetch_has_not_begun(store: AdapterStore, gate: Gate, srv: Path) -> None:
    source = f"file:{write_adapter(srv / 'x')}"
    running = asyncio.create_task(store.add("x", source))
    await reached(gate)
    waiting = asyncio.create_task(store.add("y", source))
    await asyncio.sleep(0.01)

    store.close()

    with pytest.raises(NotReady):
        await waiting
    gate.opened.set()
    await asyncio.wait([running])


async def test_a_version_is_kept_until_the_last_caller_has_left(tmp_path: Path, srv: Path) -> None:
    files = VersionFiles(tmp_path / "home", base_shape(), BASE_DIGEST, torch.float32)
    files.prepare({})
    unused: list[AdapterDigest] = []
    arguments: dict[str, Any] = {"settings": SourceSettings(), "clock": lambda: 0.0, "on_unused": unused.append}
    arrivals = Arrivals(
        staging=tmp_path / "home" / "staging",
        files=files,
        index=Index,
        allowed=AllowedSources.parse(["file:"]),
        on_progress=lambda name, fraction: None,
        **arguments,
    )
    source = f"file:{write_adapter(srv / 'x')}"

    flights = [arrivals.join(f"x{i}", source, None) for i in range(3)]
    assert len(set(map(id, flights))) == 1
    arrivals.leave(flights[0])
    arrival = await asyncio.wrap_future(flights[1].landing)
    arrivals.leave(flights[1])
    files.delete(arrival.digest)
    assert files.size(arrival.digest) is not None
    arrivals.leave(flights[2])
    for _ in range(500):
        if unused:
            break
        await asyncio.sleep(0.01)

    assert unused == [arrival.digest]
    files.delete(arrival.digest)
    assert files.size(arrival.digest) is None
    arrivals.close()
