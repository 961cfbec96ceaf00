"""The store when much happens at once or something fails: one fetch for many callers, nothing half-made or lost."""

import asyncio
import hashlib
import random
import shutil
import threading
from pathlib import Path

import pytest
import torch

from serving.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    ModelNotFound,
    NotReady,
    SourceRefused,
    SourceUnavailable,
    StorageFailed,
)
from serving.types import BaseDigest
from tests.serving.adapters.conftest import OpenStore, files_below
from tests.serving.adapters.tiny import base_shape, weights, write_adapter


async def test_many_callers_of_one_source_share_one_arrival(open_store: OpenStore, srv: Path) -> None:
    progress: list[tuple[str, float]] = []
    all_asked = threading.Event()

    def on_progress(name: str, fraction: float) -> None:
        all_asked.wait(10)
        progress.append((name, fraction))

    store = open_store(on_progress=on_progress)
    source = f"file:{write_adapter(srv / 'x')}"

    adding = [asyncio.create_task(store.add(f"x{i}", source)) for i in range(8)]
    await asyncio.sleep(0)
    all_asked.set()
    added = await asyncio.gather(*adding)

    assert len({version.digest for version in added}) == 1
    assert [version.name for version in added] == [f"x{i}" for i in range(8)]
    assert [fraction for _, fraction in progress].count(1.0) == 1
    assert len(store.versions()) == 8


async def test_a_caller_that_gives_up_does_not_stop_the_others(open_store: OpenStore, srv: Path) -> None:
    cancelled = threading.Event()
    store = open_store(on_progress=lambda name, fraction: cancelled.wait(10) and None)
    source = f"file:{write_adapter(srv / 'x')}"
    impatient = asyncio.create_task(store.add("impatient", source))
    patient = asyncio.create_task(store.add("patient", source))
    await asyncio.sleep(0)

    impatient.cancel()
    cancelled.set()

    assert (await patient).name == "patient"
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert store.lookup("impatient") is None


async def test_a_bad_adapter_among_good_ones_fails_alone(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    for i in range(6):
        write_adapter(srv / str(i), seed=i)
    write_adapter(srv / "2", use_dora=True)
    (srv / "4" / "adapter_model.safetensors").write_bytes(b"\x00" * 100)

    results = await asyncio.gather(
        *(store.add(f"x{i}", f"file:{srv / str(i)}") for i in range(6)), return_exceptions=True
    )

    assert isinstance(results[2], AdapterIncompatible)
    assert isinstance(results[4], AdapterCorrupt)
    assert {version.name for version in store.versions()} == {"x0", "x1", "x3", "x5"}


async def test_a_failed_addition_leaves_no_bytes_and_keeps_what_the_name_meant(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    good = await store.add("x", f"file:{write_adapter(srv / 'good')}")
    before = files_below(tmp_path / "home")

    with pytest.raises(AdapterIncompatible):
        await store.add("x", f"file:{write_adapter(srv / 'bad', use_dora=True)}")

    assert store.lookup("x") == good
    assert files_below(tmp_path / "home") == before


async def test_a_damaged_blob_is_made_again_from_the_adapters_files(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    payload = store.open_blob(added.digest).payload.clone()
    (blob,) = (tmp_path / "home" / "blobs").iterdir()

    blob.write_bytes(blob.read_bytes()[:-1])
    assert torch.equal(store.open_blob(added.digest).payload, payload)
    blob.unlink()
    assert torch.equal(store.open_blob(added.digest).payload, payload)


async def test_when_blob_and_files_are_damaged_the_operator_is_told_what_to_do(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    for blob in (tmp_path / "home" / "blobs").iterdir():
        blob.unlink()
    (tmp_path / "home" / "versions" / added.digest / "adapter_config.json").write_text("{}")

    with pytest.raises(AdapterCorrupt, match="remove the adapter and add it again"):
        store.open_blob(added.digest)


async def test_leftovers_of_a_crash_are_swept_away(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    store.close()
    home = tmp_path / "home"
    clean = files_below(home)
    (home / "blobs" / "abc.partial").write_bytes(b"half")
    (home / "blobs" / ("0" * 64 + ".blob")).write_bytes(b"of a version that was never registered")
    write_adapter(home / "versions" / ("1" * 64))
    write_adapter(home / "staging" / "2")

    assert open_store().versions() == (added,)

    assert files_below(home) == clean


async def test_another_dtype_ingests_again_without_the_source(open_store: OpenStore, srv: Path) -> None:
    first = open_store()
    added = await first.add("x", f"file:{write_adapter(srv / 'x', weights(rank=32), r=32)}")
    first.close()
    shutil.rmtree(srv)

    second = open_store(dtype=torch.bfloat16)

    (version,) = second.versions()
    assert (version.digest, version.nbytes) == (added.digest, added.nbytes // 2)
    assert second.open_blob(added.digest).dtype == torch.bfloat16


async def test_under_another_base_an_adapter_is_not_served_but_not_lost(open_store: OpenStore, srv: Path) -> None:
    first = open_store()
    added = await first.add("x", f"file:{write_adapter(srv / 'x')}")
    first.close()

    other = open_store(base=base_shape(name="another", aliases=frozenset()), base_digest=BaseDigest("c" * 64))
    assert other.versions() == ()
    assert other.lookup("x") is None
    other.close()

    assert open_store().versions() == (added,)


async def test_the_chat_template_comes_with_the_version(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    plain = await store.add("plain", f"file:{write_adapter(srv / 'plain')}")
    (write_adapter(srv / "own") / "chat_template.jinja").write_text("{{ messages }} ü", encoding="utf-8")
    own = await store.add("own", f"file:{srv / 'own'}")

    assert own.digest != plain.digest
    assert store.chat_template(plain.digest) is None
    assert store.chat_template(own.digest) == "{{ messages }} ü"


async def test_a_closed_store_takes_nothing_new(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    store.close()

    with pytest.raises(NotReady):
        await store.add("x", f"file:{write_adapter(srv / 'x')}")


def test_an_unreadable_index_says_what_to_do(open_store: OpenStore, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "index.json").write_text('{"format": 1, "names": ')

    with pytest.raises(StorageFailed, match=r"index\.json.*Restore it, or move it away"):
        open_store()


def test_the_folders_of_a_version_are_named_by_digests_only(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    store = open_store()
    added = asyncio.run(store.add("evil.name", f"file:{write_adapter(srv / 'x')}"))

    names = {path.name for folder in ("versions", "blobs") for path in (tmp_path / "home" / folder).iterdir()}

    assert added.digest in names
    assert all(len(name.removesuffix(".blob")) == len(hashlib.sha256().hexdigest()) for name in names)


@pytest.mark.parametrize(
    "source", ["", "x", "/etc", "ftp://x/y", "hf", "file", "hf:", "file:", "http://x", "s3://b/k", "x" * 9999]
)
async def test_a_source_that_is_not_understood_is_refused(source: str, open_store: OpenStore) -> None:
    with pytest.raises(SourceRefused):
        await open_store().add("x", source)


def test_an_allowed_prefix_that_is_not_understood_is_refused(open_store: OpenStore) -> None:
    with pytest.raises(SourceRefused, match="file:, hf:, s3: or https:"):
        open_store(allowed_sources=["ftp:"])


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_added_and_removed_at_once_names_bytes_and_disk_agree(
    seed: int, open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    store = open_store()
    sources = [f"file:{write_adapter(srv / str(i), seed=i)}" for i in range(3)]
    names = ["a", "b", "c", "d"]

    async def change() -> None:
        try:
            if rng.random() < 0.6:
                await store.add(rng.choice(names), rng.choice(sources))
            else:
                await asyncio.to_thread(store.remove, rng.choice(names))
        except (ModelNotFound, SourceUnavailable):
            pass  # removed twice, or while it arrived

    await asyncio.gather(*(change() for _ in range(60)))
    store.close()

    again = open_store()
    assert again.versions() == store.versions()
    for version in again.versions():
        i = int(version.source[-1])
        a = weights(seed=i)["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"]
        assert torch.equal(again.open_blob(version.digest).modules["layers.0.self_attn.q_proj"].a, a)
    kept = {path.name for path in (tmp_path / "home" / "versions").iterdir()}
    assert {version.digest for version in again.versions()} <= kept
    for name in {version.name for version in again.versions()}:
        again.remove(name)
    assert again.disk_bytes() == 0
