"""`hf:` sources, with the real huggingface_hub client against a hub on loopback: what is served and remembered."""

import asyncio
from pathlib import Path

import pytest
import torch

from serving.adapters.sources.source import SourceSettings
from serving.errors import (
    SourceUnavailable,
)
from tests.serving.adapters.conftest import HubStore, OpenStore, adapter_files
from tests.serving.adapters.tiny import weights
from tests.serving.hub_server import Fault, Hub


async def test_a_branch_is_resolved_to_its_commit_and_served(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    commit = hub.commit("acme/x", files)
    store = hub_store()

    added = await store.add("x", "hf:acme/x")

    assert added.pinned_source == f"hf:acme/x@{commit}"
    assert torch.equal(
        store.open_blob(added.digest).modules["layers.0.self_attn.q_proj"].a, next(iter(weights().values()))
    )
    assert not any("README" in request for request in hub.requests)


async def test_a_pinned_revision_stays_when_the_branch_moves_on(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes], tmp_path: Path
) -> None:
    first = hub.commit("acme/x", files)
    hub.commit("acme/x", adapter_files(tmp_path / "y", seed=9))
    store = hub_store()

    old = await store.add("old", f"hf:acme/x@{first}")
    new = await store.add("new", "hf:acme/x@main")

    assert old.digest != new.digest
    assert old.pinned_source == f"hf:acme/x@{first}"


async def test_a_restarted_node_serves_what_it_fetched_without_the_hub(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    store = hub_store()
    added = await store.add("x", "hf:acme/x")
    store.close()
    hub.requests.clear()

    again = hub_store()

    assert again.versions() == (added,)
    assert again.open_blob(added.digest).nbytes == added.nbytes
    assert hub.requests == []


async def test_a_commit_that_is_stored_is_not_downloaded_again(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    store = hub_store()
    added = await store.add("x", "hf:acme/x")
    hub.requests.clear()

    assert (await store.add("y", "hf:acme/x@main")).digest == added.digest

    assert hub.downloads() == 0


async def test_when_the_hub_is_down_a_source_gives_what_it_last_gave(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    commit = hub.commit("acme/x", files)
    store = hub_store()
    added = await store.add("x", "hf:acme/x@main")
    hub.faults.append(Fault("GET", times=100, status=503))

    again = await store.add("y", "hf:acme/x@main")

    assert (again.digest, again.pinned_source) == (added.digest, f"hf:acme/x@{commit}")
    with pytest.raises(SourceUnavailable):
        await store.add("z", "hf:acme/another")


async def test_many_callers_share_one_download(hub: Hub, hub_store: HubStore, files: dict[str, bytes]) -> None:
    hub.commit("acme/x", files)
    store = hub_store()

    added = await asyncio.gather(*(store.add(f"x{i}", "hf:acme/x") for i in range(5)))

    assert len({version.digest for version in added}) == 1
    assert hub.downloads() == 2


async def test_progress_is_reported_under_the_adapters_name(
    hub: Hub, open_store: OpenStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    seen: list[tuple[str, float]] = []
    settings = SourceSettings(hub_endpoint=hub.endpoint)
    store = open_store(settings=settings, on_progress=lambda name, fraction: seen.append((name, fraction)))

    await store.add("x", "hf:acme/x")

    assert {name for name, _ in seen} == {"x"}
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
