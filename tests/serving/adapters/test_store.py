"""The store: names and immutable versions, kept over a restart."""

import errno
import shutil
from pathlib import Path

import pytest
import torch

from serving.adapters.store import KEPT_EARLIER
from serving.errors import (
    AdapterCorrupt,
    InvalidRequest,
    ModelNotFound,
)
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore, files_below
from tests.serving.adapters.tiny import write_adapter


async def test_an_added_adapter_is_found_by_all_its_names(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    write_adapter(srv / "x")

    added = await store.add("org/x", f"file:{srv / 'x'}")

    refs = ["org/x", f"org/x@{added.digest}", f"org/x@{added.digest[:12]}", "tiny-base:org/x"]
    refs.append(f"tiny-base:org/x@{added.digest[:20]}")
    assert [store.lookup(ref) for ref in refs] == [added] * len(refs)
    assert store.versions() == (added,)
    assert added.rank == 2
    assert store.open_blob(added.digest).nbytes == added.nbytes


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "y",
        "x@",
        "x@" + "0" * 12,
        "y@{digest}",
        "x@{short}",
        "X@{digest}",
        "x@{upper}",
        "other:x",
        ":x",
        "{digest}",
        "tiny-base",
        "tiny-base:",
        "@{digest}",
        "x@{digest}@",
        "../x",
        "/etc/passwd",
        "x/../x",
        "versions/{digest}",
    ],
)
async def test_anything_else_is_not_found(ref: str, open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    digest = (await store.add("x", f"file:{write_adapter(srv / 'x')}")).digest

    assert store.lookup(ref.format(digest=digest, short=digest[:11], upper=digest.upper())) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "x/",
        "a/b/c",
        "a//b",
        "x:y",
        "x@y",
        "x y",
        "a\\b",
        "x\n",
        "a..b",
        "é",
        "x" * 300,
        "tiny-base",
    ],
)
async def test_a_name_that_is_no_name_is_refused_before_anything_is_touched(
    name: str, open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    before = files_below(tmp_path)

    with pytest.raises(InvalidRequest, match="name"):
        await store.add(name, f"file:{srv / 'missing'}")

    assert files_below(tmp_path) == before


async def test_names_survive_a_restart_without_the_source(open_store: OpenStore, srv: Path) -> None:
    first = open_store()
    added = [await first.add(f"x{i}", f"file:{write_adapter(srv / str(i), seed=i)}") for i in range(3)]
    tensors = first.open_blob(added[1].digest).payload.clone()
    first.close()
    shutil.rmtree(srv)

    second = open_store()

    assert second.versions() == tuple(added)
    assert torch.equal(second.open_blob(added[1].digest).payload, tensors)


async def test_a_new_version_takes_the_name_and_the_old_one_keeps_its_digest(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    old = await store.add("x", f"file:{write_adapter(srv / 'x', seed=1)}")
    old_payload = store.open_blob(old.digest).payload.clone()

    new = await store.add("x", f"file:{write_adapter(srv / 'x', seed=2)}")

    assert new.digest != old.digest
    assert store.lookup("x") == new
    assert store.lookup(f"x@{old.digest[:16]}") is not None
    assert store.versions() == (new,)
    assert torch.equal(store.open_blob(old.digest).payload, old_payload)


async def test_two_names_for_the_same_bytes_share_one_version(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    store = open_store()
    one = await store.add("one", f"file:{write_adapter(srv / 'a')}")
    before = store.disk_bytes()

    two = await store.add("two", f"file:{write_adapter(srv / 'b')}")

    assert one.digest == two.digest
    assert store.disk_bytes() == before
    store.remove("one")
    assert store.lookup("two") == two
    assert store.open_blob(two.digest).nbytes == two.nbytes


async def test_removing_the_last_name_removes_all_bytes(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    store = open_store()
    first = await store.add("x", f"file:{write_adapter(srv / 'x', seed=1)}")
    await store.add("x", f"file:{write_adapter(srv / 'x', seed=2)}")
    mapped = store.open_blob(first.digest)
    payload = mapped.payload.clone()

    store.remove("x")

    assert store.lookup("x") is None
    assert store.lookup(f"x@{first.digest}") is None
    assert store.disk_bytes() == 0
    assert torch.equal(mapped.payload, payload)
    with pytest.raises(ModelNotFound):
        store.open_blob(first.digest)
    with pytest.raises(ModelNotFound):
        store.remove("x")
    assert open_store().versions() == ()


async def test_the_expected_digest_must_be_the_digest(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    source = f"file:{write_adapter(srv / 'x')}"

    with pytest.raises(AdapterCorrupt, match="another version"):
        await store.add("x", source, AdapterDigest("0" * 64))
    assert store.lookup("x") is None
    assert store.disk_bytes() == 0

    added = await store.add("x", source)
    assert await store.add("x", source, added.digest) == added


async def test_an_expected_digest_that_is_stored_needs_no_source(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    shutil.rmtree(srv / "x")

    again = await store.add("y", f"file:{srv / 'x'}", added.digest)

    assert again.digest == added.digest


async def test_a_version_that_cannot_be_deleted_is_gone_all_the_same_and_deleted_at_the_next_start(
    open_store: OpenStore, srv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", fail)
        assert store.remove("x") == [added.digest]
    store.close()

    assert store.lookup("x") is None
    assert (tmp_path / "home" / "versions" / added.digest).exists()
    open_store()
    assert not (tmp_path / "home" / "versions" / added.digest).exists()


async def test_earlier_versions_beyond_the_newest_are_surplus_and_go_at_a_start(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    count = KEPT_EARLIER + 3
    digests = [
        (await store.add("x", f"file:{write_adapter(srv / str(seed), seed=seed)}")).digest for seed in range(count)
    ]
    await store.add("y", f"file:{srv / '0'}")  # another name keeps the oldest
    assert store.surplus("x") == [digests[1], digests[2]]  # the oldest was named last, by y
    store.close()

    again = open_store()

    assert again.surplus("x") == []
    assert {path.name for path in (tmp_path / "home" / "versions").iterdir()} == {digests[0], *digests[3:]}
    assert again.lookup(f"x@{digests[1]}") is None
    assert again.lookup("y") is not None
    with pytest.raises(ModelNotFound):
        again.open_blob(digests[1])


async def test_what_a_name_means_now_is_never_retired(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")

    assert store.retire("x", [added.digest, AdapterDigest("0" * 64)]) == []

    assert store.lookup("x") == added
