"""`https:` sources against a web server on loopback, which the allow-list names: what is served and remembered."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore, adapter_files
from tests.serving.hub_server import Fault
from tests.serving.web_server import Web, running_web

WebStore = Callable[..., AdapterStore]


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as web:
        yield web


@pytest.fixture
def web_store(open_store: OpenStore, web: Web) -> WebStore:
    def open_one(allowed: str | None = None, **changes: Any) -> AdapterStore:
        clock = {"clock": changes.pop("clock")} if "clock" in changes else {}
        settings = SourceSettings(**{"pause_s": 0.01, "timeout_s": 5.0, "attempts": 2, **changes})
        return open_store(allowed_sources=[allowed or f"{web.url}/"], settings=settings, **clock)

    return open_one


def gets(web: Web) -> list[str]:
    return [request for request in web.requests if request.startswith("GET")]


async def test_a_folder_is_fetched_and_pinned_by_its_etags(
    web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    url = web.put("team/x", {**files, "chat_template.jinja": b"{{ messages }}"})
    store = web_store()

    added = await store.add("x", url)

    assert added.rank == 2
    assert store.chat_template(added.digest) == "{{ messages }}"
    assert added.pinned_source.startswith(f"{url}#")
    assert not any("README" in request for request in web.requests)
    assert (await store.add("y", added.pinned_source)).digest == added.digest


async def test_a_version_that_is_stored_is_not_downloaded_again(
    web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    url = web.put("x", files)
    store = web_store()
    added = await store.add("x", url)
    web.requests.clear()

    assert (await store.add("y", url)).digest == added.digest

    assert gets(web) == []


async def test_a_pinned_version_that_was_replaced_is_refused(
    web: Web, web_store: WebStore, files: dict[str, bytes], tmp_path: Path
) -> None:
    url = web.put("x", files)
    pinned = (await web_store().add("x", url)).pinned_source
    web.put("x", adapter_files(tmp_path / "y", seed=9))

    with pytest.raises(SourceRefused, match="it has another version now"):
        await web_store().add("y", pinned)


@pytest.mark.parametrize("etags", ["weak", "none"])
async def test_without_a_strong_etag_a_folder_is_fetched_each_time(
    etags: str, web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    web.etags = etags
    url = web.put("x", files)
    store = web_store()
    added = await store.add("x", url)
    web.requests.clear()

    assert (await store.add("x", url)) == added

    assert added.pinned_source == url
    assert len(gets(web)) == 2


async def test_when_the_server_is_down_a_folder_gives_what_it_last_gave(
    web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    url = web.put("x", files)
    store = web_store()
    added = await store.add("x", url)
    web.faults.append(Fault("", times=100, status=503))

    assert (await store.add("y", url)).digest == added.digest


async def test_a_body_cut_short_is_resumed_where_it_broke_off(
    web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    web.faults.append(Fault("GET /x/adapter_model", times=1, cut_at=100))

    assert (await web_store().add("x", web.put("x", files))).rank == 2

    assert gets(web)[-1] == "GET /x/adapter_model.safetensors bytes=100-"


@pytest.mark.parametrize("fault", [{"cut_at": 100}, {"cut_at": 100, "ignore_range": True}], ids=["range", "no-range"])
async def test_what_arrived_stays_for_the_next_time(
    fault: dict[str, Any], web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    now = 0.0
    store = web_store(clock=lambda: now)
    url = web.put("x", files)
    web.faults.append(Fault("GET /x/adapter_model", times=2, **fault))
    with pytest.raises(SourceUnavailable):
        await store.add("x", url)
    web.requests.clear()

    now += 2.0
    assert (await store.add("x", url)).rank == 2

    assert not any("adapter_config" in request for request in gets(web))


async def test_two_contents_are_never_joined(
    web: Web, web_store: WebStore, files: dict[str, bytes], tmp_path: Path
) -> None:
    now = 0.0
    store = web_store(clock=lambda: now, attempts=1)
    url = web.put("x", files)
    web.faults.append(Fault("GET /x/adapter_model", times=1, cut_at=1000))
    with pytest.raises(SourceUnavailable):
        await store.add("x", url)
    newer = adapter_files(tmp_path / "y", seed=9)
    web.put("x", newer)

    now += 2.0
    added = await store.add("x", url)

    kept = tmp_path / "home" / "versions" / added.digest / "adapter_model.safetensors"
    assert kept.read_bytes() == newer["adapter_model.safetensors"]


@pytest.mark.parametrize("match", ["HEAD /x/adapter_config", "GET /x/adapter_config", "GET /x/adapter_model"])
async def test_an_error_that_passes_is_survived(
    match: str, web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    web.faults.append(Fault(match, times=1, status=503))

    assert (await web_store().add("x", web.put("x", files))).rank == 2


async def test_a_failing_folder_is_left_alone_for_a_while(
    web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    url = web.put("x", files)
    web.faults.append(Fault("", times=100, status=503))
    store = web_store(clock=lambda: 0.0)
    with pytest.raises(SourceUnavailable, match="503"):
        await store.add("x", url)
    asked = len(web.requests)

    with pytest.raises(SourceUnavailable, match="failed 1 times"):
        await store.add("x", url)

    assert len(web.requests) == asked
    assert set(store.failures()) == {url}


@pytest.mark.parametrize("status", [401, 403, 405])
async def test_a_server_that_refuses_is_not_asked_again(
    status: int, web: Web, web_store: WebStore, files: dict[str, bytes]
) -> None:
    web.faults.append(Fault("", times=100, status=status))

    with pytest.raises(SourceRefused, match=f"says {status}"):
        await web_store().add("x", web.put("x", files))

    assert len(web.requests) == 1


async def test_content_is_checked_as_from_any_source(web: Web, web_store: WebStore, files: dict[str, bytes]) -> None:
    url = web.put("x", files)
    pickled = web.put("p", {"adapter_config.json": files["adapter_config.json"], "adapter_model.bin": b"\x80\x04"})

    with pytest.raises(AdapterCorrupt, match="another version"):
        await web_store().add("x", url, AdapterDigest("0" * 64))
    with pytest.raises(SourceRefused, match=r"adapter_model\.safetensors is larger than the 100 bytes"):
        await web_store(weights_bytes=100).add("x", url)
    with pytest.raises(SourceRefused, match="pickle"):
        await web_store().add("x", pickled)
    with pytest.raises(AdapterCorrupt, match="it is missing"):
        await web_store().add("x", f"{web.url}/nothing")
