"""`hf:` sources whose content is not as announced, and URIs that are refused."""

from pathlib import Path

import pytest

from serving.adapters.sources.source import SourceSettings
from serving.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    SourceRefused,
    SourceUnavailable,
)
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import HubStore, OpenStore, adapter_files
from tests.serving.hub_server import Fault, Hub


@pytest.mark.parametrize("match", ["GET /content", "GET /acme/x/resolve"])
async def test_content_that_is_not_what_its_digest_promises_is_corrupt(
    match: str, hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault(match, times=100, flip=True))
    store = hub_store()

    with pytest.raises(AdapterCorrupt, match="as the source promised"):
        await store.add("x", "hf:acme/x")

    assert store.disk_bytes() == 0


async def test_a_corrupt_download_is_not_kept_for_the_next_try(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault("GET /content", times=1, flip=True))
    now = 0.0
    store = hub_store(clock=lambda: now)
    with pytest.raises(AdapterCorrupt):
        await store.add("x", "hf:acme/x")

    now += 2.0
    assert (await store.add("x", "hf:acme/x")).rank == 2


async def test_the_registered_digest_decides_whatever_the_hub_says(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    store = hub_store()

    with pytest.raises(AdapterCorrupt, match="another version"):
        await store.add("x", "hf:acme/x", AdapterDigest("0" * 64))

    assert store.versions() == ()


async def test_only_pickled_weights_are_refused_without_a_download(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    files["adapter_model.bin"] = files.pop("adapter_model.safetensors")
    hub.commit("acme/x", files)

    with pytest.raises(SourceRefused, match="pickle"):
        await hub_store().add("x", "hf:acme/x")

    assert hub.downloads() == 0


async def test_an_oversized_adapter_is_refused_without_a_download(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)

    with pytest.raises(SourceRefused, match=r"adapter_model\.safetensors is larger than the 100 bytes"):
        await hub_store(weights_bytes=100).add("x", "hf:acme/x")

    assert hub.downloads() == 0


async def test_an_incompatible_adapter_is_refused_and_not_kept(hub: Hub, hub_store: HubStore, tmp_path: Path) -> None:
    hub.commit("acme/x", adapter_files(tmp_path / "dora", use_dora=True))
    store = hub_store()

    with pytest.raises(AdapterIncompatible, match="use_dora"):
        await store.add("x", "hf:acme/x")

    assert store.disk_bytes() == 0


async def test_a_hub_that_does_not_answer_is_unavailable(open_store: OpenStore) -> None:
    settings = SourceSettings(hub_endpoint="http://127.0.0.1:9", attempts=2, pause_s=0.01, timeout_s=1.0)

    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        await open_store(settings=settings).add("x", "hf:acme/x")


@pytest.mark.parametrize(
    "source",
    [
        "hf:x",
        "hf:acme/",
        "hf:/x",
        "hf:acme/x/y",
        "hf:../x",
        "hf:acme/..",
        "hf:acme/x@",
        "hf:acme/x@../y",
        "hf:acme/x@a b",
        "hf:a@b/c",
    ],
)
async def test_a_uri_that_is_no_repository_is_refused_without_a_request(
    source: str, hub: Hub, hub_store: HubStore
) -> None:
    with pytest.raises(SourceRefused):
        await hub_store().add("x", source)

    assert hub.requests == []


async def test_only_allowed_organisations_are_asked(hub: Hub, open_store: OpenStore, files: dict[str, bytes]) -> None:
    hub.commit("acme/x", files)
    settings = SourceSettings(hub_endpoint=hub.endpoint)
    store = open_store(settings=settings, allowed_sources=["hf:trusted/"])

    with pytest.raises(SourceRefused, match="does not allow"):
        await store.add("x", "hf:acme/x")

    assert hub.requests == []
