"""`hf:` sources when the hub refuses, fails, breaks off or hangs."""

import errno

import pytest

from serving.adapters.sources.hub_transfer import translated
from serving.adapters.sources.source import SourceSettings
from serving.adapters.sources.transfer import Transfer
from serving.errors import (
    NotReady,
    SourceRefused,
    SourceUnavailable,
    StorageFailed,
)
from tests.serving.adapters.conftest import HubStore, OpenStore
from tests.serving.hub_server import Fault, Hub


async def test_a_gated_repository_needs_the_token(hub: Hub, hub_store: HubStore, files: dict[str, bytes]) -> None:
    hub.commit("acme/x", files)
    hub.repositories["acme/x"].token = "right"

    with pytest.raises(SourceRefused, match=r"gated; accept its terms.*HF_TOKEN"):
        await hub_store().add("x", "hf:acme/x")
    with pytest.raises(SourceRefused, match="gated"):
        await hub_store(hub_token="wrong").add("x", "hf:acme/x")
    assert (await hub_store(hub_token="right").add("x", "hf:acme/x")).rank == 2
    assert hub.tokens == {hub.endpoint}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("hf:acme/missing", "no such repository, or it is private"),
        ("hf:acme/x@v9", "no such branch, tag or commit"),
        ("hf:acme/x@" + "0" * 40, "no such branch, tag or commit"),
    ],
)
async def test_what_the_hub_does_not_have_is_refused(
    source: str, reason: str, hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)

    with pytest.raises(SourceRefused, match=reason):
        await hub_store().add("x", source)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_bare_refusal_of_the_hub_is_reported_as_such(
    status: int, hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault("/resolve/", times=100, status=status))

    with pytest.raises(SourceRefused, match="HF_TOKEN"):
        await hub_store().add("x", "hf:acme/x")


@pytest.mark.parametrize("match", ["GET /api/models", "HEAD /acme/x/resolve", "GET /content", "GET /acme/x/resolve"])
async def test_an_error_that_passes_is_survived(
    match: str, hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault(match, times=1, status=503))

    assert (await hub_store().add("x", "hf:acme/x")).rank == 2


async def test_an_error_that_stays_ends_after_a_few_tries_and_says_when_to_come_back(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault("/content/", times=100, status=503))

    with pytest.raises(SourceUnavailable, match="503; try again later") as refusal:
        await hub_store().add("x", "hf:acme/x")

    assert refusal.value.retry_after_s
    assert sum("/content/" in request for request in hub.requests) == 2


async def test_a_failing_source_is_left_alone_while_others_work(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.commit("acme/y", files)
    hub.faults.append(Fault("acme/x", times=2, status=503))
    now = 0.0
    store = hub_store(clock=lambda: now)
    with pytest.raises(SourceUnavailable):
        await store.add("x", "hf:acme/x")
    asked = len(hub.requests)

    with pytest.raises(SourceUnavailable, match="failed 1 times"):
        await store.add("x", "hf:acme/x")
    assert len(hub.requests) == asked
    assert set(store.failures()) == {"hf:acme/x"}
    assert (await store.add("y", "hf:acme/y")).rank == 2

    now += 2.0
    assert (await store.add("x", "hf:acme/x")).rank == 2
    assert store.failures() == {}


async def test_a_body_cut_short_is_resumed_where_it_broke_off(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    hub.faults.append(Fault("GET /content", times=1, cut_at=100))

    assert (await hub_store().add("x", "hf:acme/x")).rank == 2


async def test_a_body_that_is_always_cut_short_ends_in_an_error_and_leaves_nothing(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub client alone would retry without end, because every attempt brings some bytes."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 256)
    hub.commit("acme/x", files)
    hub.faults.append(Fault("GET /content", times=1000, cut_at=1000, ignore_range=True))
    store = hub_store(small_file_bytes=512, attempts=1)

    with pytest.raises(SourceUnavailable, match="sends more than it announced"):
        await store.add("x", "hf:acme/x")

    assert store.versions() == ()
    assert store.disk_bytes() == 0


def test_a_download_that_takes_too_long_is_ended() -> None:
    transfer = Transfer("hf:acme/x", 1000, SourceSettings(download_s=-1.0), lambda fraction: None)

    with pytest.raises(SourceUnavailable, match="took more than"):
        transfer.received(10)


async def test_closing_the_store_ends_a_running_download(
    hub: Hub, open_store: OpenStore, files: dict[str, bytes]
) -> None:
    hub.commit("acme/x", files)
    settings = SourceSettings(hub_endpoint=hub.endpoint)
    store = open_store(settings=settings, on_progress=lambda name, fraction: store.close())

    with pytest.raises(NotReady):
        await store.add("x", "hf:acme/x")


def test_a_full_disk_during_a_download_is_not_blamed_on_the_hub() -> None:
    with pytest.raises(StorageFailed, match="Free some space"), translated("hf:acme/x"):
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/home/staging/x")
