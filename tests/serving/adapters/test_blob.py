"""A blob holds an adapter exactly, is named by all it depends on, and any change to its file is noticed."""

from pathlib import Path

import pytest
import torch

from serving.adapters.blob import BlobKey, blob_id, open_blob, read_blob, read_header
from serving.adapters.load_stages import LoadStages
from serving.errors import AdapterCorrupt
from serving.types import BaseDigest
from tests.serving.adapters.test_ingest_refusals import ingest_it, key_of
from tests.serving.adapters.tiny import write_adapter


def buffer(nbytes: int) -> torch.Tensor:
    return torch.full((nbytes,), 0xFF, dtype=torch.uint8)


def test_a_blob_read_into_a_buffer_equals_the_mapped_one(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    mapped, key, blobs = ingest_it(folder), key_of(folder), tmp_path / "blobs"

    read, identity = read_blob(blobs, key, None, buffer, LoadStages(0.0))

    assert torch.equal(read.payload, mapped.payload)
    assert {name: module.rank for name, module in read.modules.items()} == dict.fromkeys(mapped.modules, 2)
    assert (read.nbytes, read.rank, read.traits) == (mapped.nbytes, mapped.rank, mapped.traits)
    assert identity == blob_id(blobs, key)
    assert read_header(blobs, key).payload_bytes == mapped.nbytes


def test_a_file_that_was_verified_is_not_hashed_again(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    ingest_it(folder)
    stages, again = LoadStages(0.0), LoadStages(0.0)

    _, identity = read_blob(tmp_path / "blobs", key_of(folder), None, buffer, stages)
    read_blob(tmp_path / "blobs", key_of(folder), identity, buffer, again)

    assert list(stages.seconds) == ["resolve", "read", "verify"]
    assert list(again.seconds) == ["resolve", "read"]


def flip(path: Path, offset: int) -> None:
    body = bytearray(path.read_bytes())
    body[offset] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("offset", [0, 7, 9, 20, 60, -1, 4096])
def test_one_changed_bit_in_a_blob_is_noticed_on_opening(offset: int, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    ingest_it(folder)
    flip(tmp_path / "blobs" / key_of(folder).file_name(), offset)

    with pytest.raises(AdapterCorrupt, match="must be ingested again"):
        open_blob(tmp_path / "blobs", key_of(folder))


@pytest.mark.parametrize("kept", [0, 10, 100, 4096, -1])
def test_a_truncated_blob_is_noticed_on_opening(kept: int, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    ingest_it(folder)
    blob = tmp_path / "blobs" / key_of(folder).file_name()
    blob.write_bytes(blob.read_bytes()[:kept])

    with pytest.raises(AdapterCorrupt):
        open_blob(tmp_path / "blobs", key_of(folder))


def test_a_blob_of_another_base_or_dtype_has_another_name(tmp_path: Path) -> None:
    key = key_of(write_adapter(tmp_path / "adapter"))

    names = {
        key.file_name(),
        BlobKey(key.adapter, BaseDigest("c" * 64), torch.float32).file_name(),
        BlobKey(key.adapter, key.base, torch.bfloat16).file_name(),
    }

    assert len(names) == 3


def test_a_blob_moved_to_the_name_of_another_is_noticed(tmp_path: Path) -> None:
    one, two = write_adapter(tmp_path / "one", seed=1), write_adapter(tmp_path / "two", seed=2)
    ingest_it(one)
    (tmp_path / "blobs" / key_of(one).file_name()).rename(tmp_path / "blobs" / key_of(two).file_name())

    with pytest.raises(AdapterCorrupt, match="another adapter or base"):
        open_blob(tmp_path / "blobs", key_of(two))
