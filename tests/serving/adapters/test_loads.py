"""What a load from the disk costs and what it checks: the hash once per start, who wrote to the file every time."""

import asyncio
import os
import time
from pathlib import Path

import pytest
import torch

from serving.adapters.blob import in_memory
from serving.adapters.load_stages import LoadStages
from serving.adapters.store import AdapterStore
from serving.errors import AdapterCorrupt
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.tiny import write_adapter


def load(store: AdapterStore, digest: AdapterDigest) -> tuple[torch.Tensor, list[str]]:
    """The payload, and the stages it passed."""
    stages = LoadStages(time.monotonic())
    blob = store.open_blob(digest, in_memory, stages)
    assert all(seconds >= 0 for seconds in stages.seconds.values())
    return blob.payload, list(stages.seconds)


def the_blob(home: Path) -> Path:
    (path,) = (home / "blobs").iterdir()
    return path


async def test_bytes_are_hashed_at_ingest_and_at_the_first_load_after_a_start_only(
    open_store: OpenStore, srv: Path
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    payload, stages = load(store, added.digest)
    again = open_store()

    assert stages == ["resolve", "read"]
    first, second = load(again, added.digest), load(again, added.digest)
    assert first[1] == ["resolve", "read", "verify"]
    assert second[1] == ["resolve", "read"]
    assert torch.equal(first[0], payload)
    assert torch.equal(second[0], payload)


@pytest.mark.parametrize("restore_times", [True, False])
@pytest.mark.parametrize("change", ["a byte", "its end", "all of it"])
async def test_a_file_that_was_changed_is_noticed_and_made_again_from_the_adapter_s_own_files(
    open_store: OpenStore, srv: Path, tmp_path: Path, change: str, *, restore_times: bool
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    payload, _ = load(store, added.digest)
    path = the_blob(tmp_path / "home")
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    await asyncio.sleep(0.02)  # the times of files move in ticks

    match change:
        case "a byte":
            with path.open("r+b") as file:
                file.write(content)
        case "its end":
            os.truncate(path, before.st_size - 100)
        case "all of it":
            (tmp_path / "other").write_bytes(content)
            os.replace(tmp_path / "other", path)
    if restore_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert torch.equal(load(store, added.digest)[0], payload)
    assert load(store, added.digest)[1] == ["resolve", "read"]


async def test_what_is_in_memory_does_not_feel_what_happens_to_the_file(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    payload, _ = load(store, added.digest)
    before = payload.clone()

    os.truncate(the_blob(tmp_path / "home"), 0)

    assert torch.equal(payload, before)


async def test_damage_that_cannot_be_mended_is_an_error_each_time(
    open_store: OpenStore, srv: Path, tmp_path: Path
) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x')}")
    the_blob(tmp_path / "home").unlink()
    for file in (tmp_path / "home" / "versions" / added.digest).iterdir():
        file.write_bytes(b"changed")

    for _ in range(2):
        with pytest.raises(AdapterCorrupt):
            store.open_blob(added.digest)
