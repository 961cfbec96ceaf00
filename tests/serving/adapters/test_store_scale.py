"""A store with many versions: what a start and a look-up cost, counted in files opened and folders listed."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from serving.adapters.blob import BlobKey
from serving.adapters.index import Entry, Index, Ingested, _Stored
from serving.adapters.journal import Journal
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.tiny import BASE_DIGEST, write_adapter

_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in ("open", "os.listdir", "os.scandir"):
        _watching[-1].append(f"{event} {arguments[0]}")


sys.addaudithook(_hook)  # for good, so it only looks while somebody watches


@contextmanager
def file_work(below: Path) -> Iterator[list[str]]:
    """What was opened or listed below a folder meanwhile."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
        seen[:] = [event for event in seen if str(below) in event]


def populate(home: Path, count: int) -> list[AdapterDigest]:
    """A home with `count` adapters, whose blobs are empty files: a start has no reason to look into them."""
    digests = [AdapterDigest(hashlib.sha256(b"%d" % i).hexdigest()) for i in range(count)]
    (home / "blobs").mkdir(parents=True)
    index = Index()
    for i, digest in enumerate(digests):
        blob = BlobKey(digest, BASE_DIGEST, torch.float32).file_name()
        (home / "versions" / digest).mkdir(parents=True)
        (home / "blobs" / blob).touch()
        source = f"hf:org/x{i}@{digest[:40]}"
        entry = Entry(
            source=source,
            pinned_source=source,
            immutable=True,
            names=(),
            ingested=Ingested(blob=blob, rank=8, nbytes=64),
        )
        index = index.with_name(f"org/x{i}", digest, entry)
    index.save(home / "index.json")
    return digests


@pytest.mark.parametrize("count", [1, 400])
def test_a_start_opens_the_list_of_adapters_and_nothing_else(count: int, open_store: OpenStore, tmp_path: Path) -> None:
    digests = populate(tmp_path / "home", count)

    with file_work(tmp_path / "home") as seen:
        store = open_store()

    assert sorted(event.rpartition("/")[2] for event in seen) == ["blobs", "index.json", "index.log", "versions"]
    assert {version.digest for version in store.versions()} == set(digests)


def test_a_name_or_version_is_found_without_a_search(open_store: OpenStore, tmp_path: Path) -> None:
    digests = populate(tmp_path / "home", 50)
    store = open_store()

    with file_work(tmp_path) as seen:
        found = [store.lookup(f"org/x{i}@{digest[:12]}") for i, digest in enumerate(digests)]

    assert [version.digest for version in found if version] == digests
    assert seen == []


def test_pages_hold_every_version_once_in_the_order_of_names(open_store: OpenStore, tmp_path: Path) -> None:
    populate(tmp_path / "home", 23)
    store = open_store()
    pages = [store.versions(limit=5)]
    while pages[-1]:
        pages.append(store.versions(pages[-1][-1].name, limit=5))

    assert [len(page) for page in pages] == [5, 5, 5, 5, 3, 0]
    assert [version for page in pages for version in page] == list(store.versions())
    assert [version.name for version in store.versions()] == sorted(f"org/x{i}" for i in range(23))


def test_a_blob_that_has_gone_is_noticed_at_the_start(open_store: OpenStore, tmp_path: Path) -> None:
    digests = populate(tmp_path / "home", 3)
    (tmp_path / "home" / "blobs" / BlobKey(digests[1], BASE_DIGEST, torch.float32).file_name()).unlink()

    assert [version.digest for version in open_store().versions()] == [digests[0], digests[2]]


async def test_a_list_written_before_it_knew_the_blobs_is_read_and_completed(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    first = open_store()
    added = await first.add("x", f"file:{write_adapter(srv / 'x')}")
    first.close()
    path = tmp_path / "home" / "index.json"
    index = Journal(path).index
    old = {digest: entry.model_copy(update={"ingested": None}) for digest, entry in index.versions.items()}
    stored = _Stored(format=1, names=dict(index.names), versions=old)
    path.write_bytes(stored.model_dump_json(exclude={"generation"}).encode())

    assert open_store().versions() == (added,)

    assert Journal(path).index == index


def _sequences() -> Iterator[Callable[[Index], Index]]:
    entry = Entry(source="hf:o/s", pinned_source="hf:o/s@1", immutable=True, names=())
    one, two = AdapterDigest("1" * 64), AdapterDigest("2" * 64)
    yield lambda index: index.with_name("a", one, entry)
    yield lambda index: index.with_name("b", two, entry.model_copy(update={"pinned_source": "hf:o/s@2"}))
    yield lambda index: index.with_name("a", two, entry.model_copy(update={"pinned_source": "hf:o/s@2"}))
    yield lambda index: index.with_name("a", one, entry)
    yield lambda index: index.without_name("b")
    yield lambda index: index.without_name("a")


def test_the_tables_kept_beside_the_list_are_those_made_from_it() -> None:
    index = Index()
    for change in _sequences():
        index = change(index)

        assert index == Index.of(index.names, index.versions)
    assert index == Index()
