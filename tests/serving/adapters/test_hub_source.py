"""`hf:` sources, with the real huggingface_hub client against a hub on loopback."""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.adapters.sources.hub_transfer import Transfer, translated
from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from serving.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    NotReady,
    SourceRefused,
    SourceUnavailable,
    StorageFailed,
)
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.tiny import weights, write_adapter
from tests.serving.hub_server import Fault, Hub

HubStore = Callable[..., AdapterStore]


@pytest.fixture
def hub_store(open_store: OpenStore, hub: Hub) -> HubStore:
    """Opens stores whose hub is the one on loopback."""

    def open_one(**settings: Any) -> AdapterStore:
        clock = settings.pop("clock", None)
        fast = {"pause_s": 0.01, "timeout_s": 5.0, "attempts": 2, **settings}
        more = {"clock": clock} if clock else {}
        return open_store(settings=SourceSettings(hub_endpoint=hub.endpoint, **fast), **more)

    return open_one


def adapter_files(folder: Path, **config: Any) -> dict[str, bytes]:
    write_adapter(folder, **config)
    (folder / "README.md").write_text("not fetched")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    return adapter_files(tmp_path / "x")


async def test_a_branch_is_resolved_to_its_commit_and_served(
    hub: Hub, hub_store: HubStore, files: dict[str, bytes]
) -> None:
    commit = hub.commit("acme/x", files)
    store = hub_store()

    added = await store.add("x", "hf:acme/x")

    assert added.pinned_source == f"hf:acme/x@{commit}"
    assert torch.equal(
        store.open_blob(added.digest).modules["layers.0.self_attn.q_proj"].a, next(iter(weights().values())).T
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
async def test_a_bare_refusal_of_the_hub_is_told_as_one(
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
    """The hub client alone would start over for ever, for every try brings some bytes."""
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
async def test_a_spelling_that_is_no_repository_is_refused_without_asking(
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
